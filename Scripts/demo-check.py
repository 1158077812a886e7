#!/usr/bin/env python3
"""Checks what the demo left in a folder: results, states, costs, alerts, and that nothing is left running."""

import json
import math
import os
import re
import sys

place = sys.argv[1]
failures = 0


def check(what, fits, seen=""):
    global failures
    if not fits:
        failures += 1
    print(f"  {'✓' if fits else '✗'} {what}" + ("" if fits else f": {seen}"))


def read(name):
    with open(os.path.join(place, name), encoding="utf-8", errors="replace") as file:
        return file.read()


jobs = {job["name"]: job for job in json.loads(read("jobs.json"))}
names = {job["job_id"]: name for name, job in jobs.items()}

# Results, against what mathematics says.
for name, label, wanted, digits in [
    ("pi", "pi", math.pi, 10),
    ("integral", "integral", math.sqrt(math.pi) / 2 * math.erf(1), 11),
    ("hueckel", "energy", 2 * math.cos(math.pi / 31), 9),
    ("primes", "primes", 78498, 0),
]:
    found = re.search(rf"^{label} = (\S+)$", read(name + ".out"), re.MULTILINE)
    value = float(found.group(1)) if found else math.nan
    check(f"{label} = {found.group(1) if found else '?'}", abs(value - wanted) <= 0.5 * 10**-digits, f"not {wanted}")

# States and reasons.
wanted_states = {
    "pi": ("completed", None), "integral": ("completed", None), "hueckel": ("completed", None),
    "primes": ("completed", None), "divergent": ("failed", "exit_code"), "spender": ("terminated", "budget"),
    "sleeper": ("terminated", "max_duration"), "victim": ("terminated", "stopped_outside"),
}
seen_states = {name: (job["status"], job["reason"]) for name, job in jobs.items()}
check(f"{len(wanted_states)} jobs are in the states they should be in", seen_states == wanted_states, seen_states)
check("the exit code of the failed one is 3", jobs["divergent"]["exit_code"] == 3, jobs["divergent"]["exit_code"])
check("no job is open, every instance is gone", not any(job["open"] for job in jobs.values()), "some are open")
costs = {name: job["actual_cost"] for name, job in jobs.items()}
check(
    f"the first minute is billed whole, ${sum(costs.values()):.2f} in all",
    all(cost == (15 if name == "pi" else 1.5) for name, cost in costs.items()), costs)

# Alerts, each exactly once.
messages = [json.loads(line) for line in read("alerts.jsonl").splitlines()] if os.path.exists(
    os.path.join(place, "alerts.jsonl")) else []
hooks = sorted((message["rule"], names.get(message["job"], "?")) for message in messages if message["kind"] == "webhook")
wanted_hooks = sorted([
    ("job_failed", "divergent"), ("cost_threshold", "pi"), ("budget_reached", "spender"), ("job_terminated", "spender"),
    ("job_terminated", "sleeper"), ("job_terminated", "victim"),
    # Killed from outside with everything that it was, so nothing of it came home.
    ("final_sync_incomplete", "victim"),
])
check(f"{len(wanted_hooks)} signed webhooks, each exactly once", hooks == wanted_hooks, hooks)
mails = [message for message in messages if message["kind"] == "mail"]
about = sorted(name for message in mails for name in jobs if jobs[name]["job_id"] in message["title"])
check("3 mails, each exactly once", about == ["divergent", "spender", "victim"] and len(mails) == 3, [m["title"] for m in mails])
strange = [message for message in messages if message["kind"] not in ("webhook", "mail")]
check("no message with a wrong signature", not strange, strange)

# Processes: whoever runs for a job carries a mark in its environment.
left = []
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read()
    except OSError:
        continue
    if any(f"CLOUDJOBS_MARK={job}-".encode() in environment for job in names):
        left.append(pid)
check("nothing is left running", not left, left)

sys.exit(1 if failures else 0)
