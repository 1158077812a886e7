package import JobModel
package import ProviderKit

/// How the local provider makes instances, from config.json.
package struct LocalSettings: Sendable, Hashable {
  /// The folder of all instances, absolute; made on demand, private to the user.
  package var root: String
  package var instanceType: String
  package var region: String
  /// What an hour of an instance is said to cost.
  package var price: HourlyPrice
  package var billing: BillingRule
  /// Between TERM and KILL when an instance ends.
  package var grace: Duration
  package var heartbeatInterval: Duration
  /// How often an instance looks for limits and notices.
  package var noticeInterval: Duration
  /// How long a launch may take to show its instance.
  package var launchTimeout: Duration
  /// What the instances inherit; see `environment(from:)`.
  package var environment: [String: String]
  /// How results are copied; nil if they are not. Where they go is part of each job's spec.
  package var sync: SyncSettings?
  /// Physical paths that are never inputs: the database and its companions.
  package var skipped: [String] = []

  package init(
    root: String, instanceType: String = "local", region: String = "localhost", price: HourlyPrice = .zero,
    billing: BillingRule = .perSecond, grace: Duration = .seconds(10), heartbeatInterval: Duration = .seconds(15),
    noticeInterval: Duration = .seconds(1), launchTimeout: Duration = .seconds(10),
    environment: [String: String] = ["PATH": "/usr/local/bin:/usr/bin:/bin"]
  ) {
    self.root = root
    self.instanceType = instanceType
    self.region = region
    self.price = price
    self.billing = billing
    self.grace = grace
    self.heartbeatInterval = heartbeatInterval
    self.noticeInterval = noticeInterval
    self.launchTimeout = launchTimeout
    self.environment = environment
  }

  /// What of the user's environment a calculation gets: where programs and the user are, the language, the libraries.
  /// Everything else may be a secret of another program, and would not be there on a cloud either; `--env` adds to it.
  package static func environment(from all: [String: String]) -> [String: String] {
    let names: Set = [
      "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "OMP_NUM_THREADS",
    ]
    var kept = all.filter { names.contains($0.key) || $0.key.hasPrefix("LC_") }
    if kept["PATH"] == nil { kept["PATH"] = "/usr/local/bin:/usr/bin:/bin" }
    return kept
  }
}
