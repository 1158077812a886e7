// swift-tools-version: 6.2
import PackageDescription

// The target list read aloud is the architecture: docs/architecture.md says what lives in each room.
// Rule: a target may import only what stands above it in this list, never a sibling.

let log = Target.Dependency.product(name: "Logging", package: "swift-log")

let package = Package(
  name: "cloudjobs",
  platforms: [.macOS(.v15)],
  products: [.executable(name: "cloudjobs", targets: ["cloudjobs"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections.git", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
    .package(url: "https://github.com/groue/GRDB.swift.git", exact: "7.10.0"),
    .package(url: "https://github.com/swiftlang/swift-subprocess.git", from: "1.0.2"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
  ],
  targets: [
    // Words, states, decisions: no I/O.
    .target(name: "JobModel"),
    .testTarget(name: "JobModelTests", dependencies: ["JobModel", "TestSupport"]),

    // libcurl, loaded at first use.
    .target(name: "CCurl", linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),

    // HTTP and SMTP through libcurl, each on a thread of its own.
    .target(name: "Transport", dependencies: ["CCurl", log]),
    .testTarget(name: "TransportTests", dependencies: ["Transport", "TestSupport"]),

    // The Store protocol and its engines.
    .target(
      name: "JobStore",
      dependencies: [
        "JobModel", .product(name: "GRDB", package: "GRDB.swift"),
        // The C functions that GRDB does not wrap: file controls, errors by number, rows of any type.
        .product(name: "GRDBSQLite", package: "GRDB.swift"),
        .product(name: "DequeModule", package: "swift-collections"),
      ]),
    .testTarget(name: "JobStoreTests", dependencies: ["JobStore", "TestSupport"]),

    // The Provider protocol and the one bootstrap script.
    .target(
      name: "ProviderKit", dependencies: ["JobModel", log],
      resources: [
        "apart", "bootstrap", "bundle", "channel", "loader", "sync",
      ].map { .embedInCode("Resources/\($0).sh") }),
    .testTarget(name: "ProviderKitTests", dependencies: ["ProviderKit", "TestSupport"]),

    // What is known of results on the remote, and asking for copies; rclone and sync.sh are run as programs.
    .target(
      name: "ResultSync",
      dependencies: ["JobModel", "ProviderKit", .product(name: "Subprocess", package: "swift-subprocess")]),
    .testTarget(name: "ResultSyncTests", dependencies: ["ResultSync", "ProviderKit", "JobModel", "TestSupport"]),

    // One folder a provider.
    .target(name: "LocalProvider", dependencies: ["ProviderKit", "JobModel", log]),
    .testTarget(name: "LocalProviderTests", dependencies: ["LocalProvider", "TestSupport"]),

    // Amazon Web Services: signed calls, credentials, S3, staging.
    .target(
      name: "AWSProvider",
      dependencies: [
        "ProviderKit", "JobModel", "Transport", log, .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "Subprocess", package: "swift-subprocess"),
      ]),
    .testTarget(
      name: "AWSProviderTests",
      dependencies: ["AWSProvider", "ProviderKit", "JobModel", "Transport", "TestSupport", log],
      exclude: ["botocore"]),

    // One file a channel; formats are pure functions from an alert to a request.
    .target(
      name: "Notifiers",
      dependencies: [
        "JobModel", "Transport", log, .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "Subprocess", package: "swift-subprocess"),
      ]),
    .testTarget(name: "NotifiersTests", dependencies: ["Notifiers", "TestSupport"], exclude: ["Golden"]),

    // config.json: one schema that checks, documents and reads it.
    .target(
      name: "Configuration",
      dependencies: ["JobModel", .product(name: "Subprocess", package: "swift-subprocess")]),
    .testTarget(name: "ConfigurationTests", dependencies: ["Configuration", "TestSupport"]),

    // Supervisors, the watch loop, the alert dispatcher.
    .target(
      name: "Monitor",
      dependencies: [
        "JobModel", "JobStore", "ProviderKit", "Notifiers", "Transport", log,
        .product(name: "DequeModule", package: "swift-collections"),
        .product(name: "HeapModule", package: "swift-collections"),
      ]),
    .testTarget(name: "MonitorTests", dependencies: ["Monitor", "TestSupport"]),

    // One file a subcommand.
    .target(
      name: "Commands",
      dependencies: [
        "JobModel", "JobStore", "ProviderKit", "ResultSync", "LocalProvider", "AWSProvider", "Notifiers", "Transport",
        "Configuration", "Monitor",
        log,
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ]),
    .testTarget(name: "CommandsTests", dependencies: ["Commands", "TestSupport"]),

    // @main only.
    .executableTarget(name: "cloudjobs", dependencies: ["Commands"]),

    // Manual clock, random numbers by seed, recording notifier, scripted provider, loopback servers, a terminal, contract
    // suites.
    .target(
      name: "TestSupport",
      dependencies: ["JobModel", "Transport", "JobStore", "ProviderKit", "Notifiers", "Monitor"],
      exclude: ["Servers"]),
    .testTarget(name: "EndToEndTests", dependencies: ["JobModel", "TestSupport"], path: "Tests/EndToEnd"),

    // Benchmarks: no part of the program; run by Scripts/bench. Here because they use what is internal to the package.
    .executableTarget(
      name: "benchmarks",
      dependencies: [
        "JobModel", "JobStore", "ProviderKit", "AWSProvider", "Notifiers", "Transport", "Monitor", log,
        .product(name: "GRDBSQLite", package: "GRDB.swift"),
      ],
      path: "Benchmarks/Program"),
  ],
  swiftLanguageModes: [.v6]
)

// One set of rules for every target.
for target in package.targets where target.name != "CCurl" {
  target.swiftSettings = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),  // SE-0335
    .enableUpcomingFeature("InternalImportsByDefault"),  // SE-0409
    .enableUpcomingFeature("MemberImportVisibility"),  // SE-0444
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),  // SE-0461
  ]
}
