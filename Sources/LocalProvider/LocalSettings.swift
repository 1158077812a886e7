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
  /// This machine's ssh server, if instances are to be reached through it, as in a cloud.
  package var ssh: SSH?

  package struct SSH: Sendable, Hashable {
    package var host: String
    package var port: Int?
    package var hostKeyFile: String

    package init(host: String, port: Int? = nil, hostKeyFile: String) {
      self.host = host
      self.port = port
      self.hostKeyFile = hostKeyFile
    }
  }
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

  /// What of the user's environment a calculation gets: what says where programs, libraries and scratch space are, which
  /// environment of conda, Python or a module system is active, and how many cores and which GPUs to use.
  ///
  /// Everything else may be a secret of another program, and would not be there on a cloud either; `--env` adds to it. So
  /// not all of `CONDA_*`: its channels may carry tokens. Not `PYTHONPATH`, `LD_PRELOAD` and `BASH_ENV`: they put foreign
  /// code into every program that the calculation starts. Not `OMPI_*` and `SLURM_*`: they name the job in which
  /// cloudjobs itself may run, and a calculation must not take itself for a part of it.
  package static func environment(from all: [String: String]) -> [String: String] {
    var kept = all.filter { variable in
      inherited.contains(variable.key) || inheritedPrefixes.contains { variable.key.hasPrefix($0) }
    }
    if kept["PATH"] == nil { kept["PATH"] = "/usr/local/bin:/usr/bin:/bin" }
    return kept
  }

  private static let inherited: Set = [
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH",
    "TMPDIR", "SCRATCH",
    "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "CONDA_EXE", "CONDA_PYTHON_EXE", "CONDA_SHLVL", "MAMBA_ROOT_PREFIX",
    "VIRTUAL_ENV",
    "MODULEPATH", "MODULESHOME", "LOADEDMODULES", "_LMFILES_",
    "MKLROOT", "ROCM_PATH", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES",
  ]

  private static let inheritedPrefixes = [
    "LC_", "LMOD_", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "BLIS_", "NUMEXPR_", "CUDA_",
  ]
}
