# make            what there is to make
SWIFT ?= swift
SOURCES := Package.swift Sources Tests $(wildcard Benchmarks)

.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-matrix release bench docs format lint clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 20

setup: ## Install what the build needs and is missing
	@Scripts/setup

build: setup ## Build .build/debug/cloudjobs
	$(SWIFT) build --product cloudjobs

demo: setup ## Real calculations, watched, with alerts, in under a minute after the build
	Scripts/demo

test: ## Build and run all tests
	@Scripts/setup --test
	$(SWIFT) build --build-tests
	Scripts/test
	Scripts/check-docs

test-matrix: ## Run the tests of copying results with an old and a new rclone
	@Scripts/setup --matrix
	$(SWIFT) build --build-tests
	Scripts/test-matrix

release: setup ## Build dist/cloudjobs: optimised, statically linked Swift runtime, stripped
	Scripts/release

bench: setup ## Measure what docs/benchmarks.md claims
	Scripts/bench

docs: setup ## Make the tables of docs/configuration.md from the schema
	$(SWIFT) build --build-tests
	Scripts/update-configuration-docs

format: ## Lay out all Swift files by .swift-format
	$(SWIFT) format --in-place --parallel --recursive $(SOURCES)

lint: ## Refuse what swift format would change
	$(SWIFT) format lint --strict --parallel --recursive $(SOURCES)

clean: ## Remove everything that was built
	rm -rf .build dist .venv
