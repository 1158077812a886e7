package import JobModel

/// The schema of config.json: every section, key, kind, default and meaning, once.
package enum ConfigurationSchema {
  package static let root = Schema.object(
    Schema.Fields([
      Schema.Field("hardware", .object(hardware), "What a calculation needs of its machine."),
      Schema.Field("aws", .object(aws), "Amazon EC2."),
      Schema.Field("gcp", .object(gcp), "Google Compute Engine."),
      Schema.Field("azure", .object(azure), "Azure virtual machines."),
      Schema.Field("docker", .object(docker), "Running the calculation in a container."),
      Schema.Field("local", .object(local), "Instances that are processes of this machine."),
      Schema.Field(
        "recovery", .object(recovery), "What becomes of a job whose instance was taken back by its provider."),
      Schema.Field("store", .object(store), "Where jobs are remembered."),
      Schema.Field("watch", .object(watch), "How closely `cloudjobs watch` looks, and when it gives up."),
      Schema.Field("sync", .object(sync), "Bringing results to Google Drive."),
      Schema.Field(
        "ssh", .object(ssh), "How instances are reached; jump hosts and agents are your own ssh configuration's."),
      Schema.Field("alerts", .object(alerts), "Which events become messages, and for whom."),
      Schema.Field(
        "notifiers", .map(keys: .name, values: .variants(notifiers), sensitiveKeys: false),
        "The channels that carry alerts, by the names that you give them."),
    ]))

  /// Sections that are checked and kept, and that nothing in this version reads.
  static let withoutEffect: Set = ["gcp", "azure", "docker"]

  // MARK: The sections of the Python tool

  static let hardware = Schema.Fields(
    shared: true,
    [
      Schema.Field("min_vcpu", .integer(1...4096), "The fewest virtual processors."),
      Schema.Field("max_vcpu", .integer(1...4096), "The most virtual processors."),
      Schema.Field("min_memory_gb", .number(0...65_536), "The least memory, in GiB."),
      Schema.Field("max_memory_gb", .number(0...65_536), "The most memory, in GiB."),
      Schema.Field(
        "architecture", .text(.choice(["x86_64", "arm64"])), "The processors' instruction set; otherwise x86_64."),
      Schema.Field("min_gpus", .integer(0...64), "The fewest GPUs; otherwise machines without any."),
      Schema.Field("basis_set", .text(.line), "The basis set of a job that names none."),
      Schema.Field("executable", .text(.line), "The program of a job that names none."),
    ])

  static let aws = Schema.Fields(
    shared: true,
    [
      region("us-east-1"), regions, instanceType("c5.4xlarge"), instanceTypes,
      Schema.Field("s3_bucket", .text(.line), "The bucket that inputs and results pass through."),
      Schema.Field("iam_role", .text(.line), "The instance profile of the machine."),
      Schema.Field("key_name", .text(.line), "The EC2 key pair for ssh."),
      sshUser("`ec2-user`"),
      Schema.Field("security_group", .text(.line), "The security group, by name or id."),
      Schema.Field("subnet_id", .text(.line), "The subnet; otherwise the default one of the zone."),
      Schema.Field("ami_id", .text(.line), "The machine image."),
      Schema.Field(
        "rclone_config_secret", .text(.line),
        "The name (not the content) of the secret in Secrets Manager that holds rclone.conf; it is read by `iam_role`."),
      Schema.Field(
        "rclone_config_file", .text(.path),
        "The rclone.conf on this machine that instances get where no secret is named; otherwise rclone's own."),
      Schema.Field(
        "rclone_archive", .text(.line),
        "Where an instance without rclone gets it: a zip, with `{arch}` for `amd64` or `arm64`; otherwise version 1.75.2 from rclone.org. `none` leaves it to the packages of the image."
      ),
      Schema.Field(
        "rclone_sha256", .map(keys: .name, values: .text(.line), sensitiveKeys: false),
        "The SHA-256 of that archive by architecture, as `{\"amd64\": \"…\"}`; one that differs is not used."),
      Schema.Field("profile", .text(.line), "The profile of the AWS credentials."),
      Schema.Field(
        "exclude_patterns", .list(.text(.line), atLeast: 0),
        "Shell patterns of inputs that are not staged: without a `/` for names, with one for the path within the folder."
      ),
      Schema.Field("disk_gb", .integer(1...16_384), "The size of the root disk in GiB; otherwise the image's."),
      Schema.Field(
        "leaked", .text(.choice(["terminate", "alert"])),
        "What happens to an instance of ours that no open job needs: it is ended and told (`terminate`, the default), or only told."
      ),
      maxPrice,
    ])

  static let gcp = Schema.Fields(
    shared: true,
    [
      Schema.Field("project_id", .text(.line), "The project."),
      region("us-central1"), regions,
      Schema.Field("zone", .text(.line), "The zone, as `us-central1-a`."),
      instanceType("c2-standard-16"), instanceTypes,
      Schema.Field("image", .text(.line), "The machine image or image family."),
      Schema.Field("service_account", .text(.line), "The service account of the machine."),
      sshUser("your own name on this machine"),
      Schema.Field("gcs_bucket", .text(.line), "The bucket that inputs and results pass through."),
      Schema.Field("s3_bucket", .text(.line), "An S3 bucket, where one is used for all providers."),
      Schema.Field(
        "rclone_config_secret", .text(.line),
        "The name (not the content) of the secret in Secret Manager that holds rclone.conf."),
      maxPrice,
    ])

  static let azure = Schema.Fields(
    shared: true,
    [
      Schema.Field("subscription_id", .text(.line), "The subscription."),
      Schema.Field("resource_group", .text(.line), "The resource group."),
      Schema.Field("location", .text(.line), "Azure's word for the region."),
      region("eastus"), regions, instanceType("Standard_F16s_v2"), instanceTypes,
      Schema.Field("image", .text(.line), "The machine image."),
      sshUser("`azureuser`"),
      Schema.Field("storage_account", .text(.line), "The storage account that inputs and results pass through."),
      Schema.Field("s3_bucket", .text(.line), "An S3 bucket, where one is used for all providers."),
      Schema.Field(
        "rclone_config_secret", .text(.line),
        "The name (not the content) of the secret in Key Vault that holds rclone.conf."),
      maxPrice,
    ])

  static let docker = Schema.Fields(
    shared: true,
    [
      Schema.Field("enabled", .boolean, standard: .bool(false), "Whether calculations run in a container."),
      Schema.Field("image", .text(.line), "The image, with its tag."),
      Schema.Field("registry", .text(.line), "The registry, if it is not part of the image's name."),
    ])

  private static func sshUser(_ standard: String) -> Schema.Field {
    Schema.Field("ssh_user", .text(.line), "The user of the images for ssh; otherwise \(standard).")
  }
  private static func region(_ example: String) -> Schema.Field {
    Schema.Field("region", .text(.line), "The region, as `\(example)`.")
  }
  private static let regions = Schema.Field(
    "regions", .list(.text(.line), atLeast: 1), "Regions that may be used, the preferred one first.")
  private static func instanceType(_ example: String) -> Schema.Field {
    Schema.Field("instance_type", .text(.line), "The instance type of a job that names none, as `\(example)`.")
  }
  private static let instanceTypes = Schema.Field(
    "instance_types", .list(.text(.line), atLeast: 1), "Instance types that may be used, the preferred one first.")
  private static let maxPrice = Schema.Field(
    "max_price_per_hour", .price, "The most that a spot instance may cost, in dollars an hour.")

  // MARK: Ours

  static let local = Schema.Fields([
    Schema.Field(
      "directory", .text(.path), standard: "cloud_jobs.local",
      "The folder in which each instance has a folder of its own. A relative one lies beside the database."),
    Schema.Field("instance_type", .text(.line), standard: "local", "What instances are called in tables."),
    Schema.Field("region", .text(.line), standard: "localhost", "What the place is called in tables."),
    Schema.Field(
      "price_per_hour", .price, standard: "0.36",
      "What an hour costs, in dollars. The local provider is free; the price makes costs, budgets and alerts work as they do in the cloud."
    ),
    Schema.Field(
      "grace", .duration(.zero...hours(1)), standard: "10s",
      "How long a calculation may take to end after SIGTERM before it is killed."),
    Schema.Field(
      "heartbeat", .duration(.milliseconds(100)...hours(1)), standard: "10s", "How often an instance writes its beacon."
    ),
    Schema.Field(
      "ssh_host", .text(.host),
      "Reaches the instances of this machine through its ssh server at this address, as in a cloud; otherwise directly."
    ),
    Schema.Field("ssh_port", .integer(1...65_535), "The port of that server."),
    Schema.Field("ssh_user", .text(.line), "The user for that server; otherwise ssh's own choice."),
    Schema.Field(
      "ssh_host_key", .text(.path), standard: "/etc/ssh/ssh_host_ed25519_key.pub",
      "The file with the public host key of that server."),
  ])

  static let recovery = Schema.Fields([
    Schema.Field(
      "max_attempts", .integer(1...100), standard: .integer(1),
      "Instances that a job may use, one after the other; with 1 it fails when the first one is taken back. The next one "
        + "goes on from the results that were copied. Short: `run --max-attempts`."),
    Schema.Field(
      "zones", .text(.choice(RecoveryRule.Zones.allCases.map(\.rawValue))), standard: "other",
      "Where the next instance is looked for: `other` zones first, or in any (`same`)."),
  ])

  static let store = Schema.Fields([
    Schema.Field(
      "path", .text(.path), standard: "cloud_jobs.db", "The SQLite database. Short: `CLOUDJOBS_DB`, `--db`."),
    Schema.Field(
      "allow_network_file_system", .boolean, standard: .bool(false),
      "Whether the database may lie on NFS or SMB, where SQLite's locks can't be trusted."),
  ])

  static let watch: Schema.Fields = {
    let policy = SupervisionPolicy()
    return Schema.Fields([
      duration(
        "poll_interval", policy.pollInterval, .milliseconds(50)...hours(24),
        "How often a running instance is asked for."),
      duration(
        "eager_poll_interval", policy.eagerPollInterval, .milliseconds(50)...hours(1),
        "How often while a launch or a termination is under way; never less often than `poll_interval`."),
      duration(
        "observe_timeout", policy.observeTimeout, .milliseconds(100)...hours(1),
        "How long a provider may take to answer."),
      duration(
        "launch_timeout", policy.launchTimeout, .seconds(1)...hours(24),
        "A launch whose instance can't be found after this long is lost."),
      duration(
        "absence_confirmation", policy.absenceConfirmation, .zero...hours(24),
        "How long an instance must be absent before it counts as gone."),
      duration(
        "heartbeat_timeout", policy.heartbeatTimeout, .seconds(1)...hours(168),
        "A heartbeat older than this is worth an alert."),
      duration(
        "heartbeat_give_up", policy.heartbeatGiveUp, .seconds(1)...hours(720),
        "A heartbeat older than this fails the job and ends its instance. Longer than `heartbeat_timeout`."),
      duration(
        "unreachable_after", policy.unreachableAfter, .seconds(1)...hours(168),
        "A provider that is silent for longer is worth an alert."),
      duration(
        "shutdown_grace", policy.shutdownGrace, .zero...hours(24),
        "How long a finished machine may take to shut itself down before it is ended."),
      duration(
        "terminate_retry", policy.terminateRetry, .milliseconds(100)...hours(1),
        "The first pause between two calls that end an instance; it doubles each time."),
      duration(
        "terminate_retry_cap", policy.terminateRetryCap, .milliseconds(100)...hours(24), "Where the doubling stops."),
      duration(
        "lease_ttl", .seconds(30), .seconds(1)...hours(1),
        "A watcher that was killed holds its jobs for at most this long before another one takes over."),
      duration(
        "shutdown_timeout", .seconds(30), .milliseconds(100)...hours(1),
        "How long a watcher that was asked to stop may take to finish what it is doing."),
      Schema.Field(
        "min_free_mb", .integer(1...1_000_000), standard: .integer(200),
        "Less room than this on the disk of the database is worth an alert."),
      Schema.Field(
        "ping_url", .text(.webURL),
        "An address that the watcher asks every `ping_interval` while all is well, for a service that tells you when the "
          + "watcher itself has stopped, such as healthchecks.io."),
      duration("ping_interval", .seconds(60), .seconds(1)...hours(24), "How often `ping_url` is asked."),
      Schema.Field(
        "ping_allow_private", .boolean, standard: .bool(false),
        "Whether `ping_url` may lie in a private network or on this machine."),
    ])
  }()

  static let sync = Schema.Fields([
    duration("interval", .seconds(300), .seconds(1)...hours(168), "How often the results of a running job are copied."),
    Schema.Field(
      "exclude", .list(.text(.line), atLeast: 0), standard: .array([.string("FCIDUMP"), .string("*.tmp")]),
      "Shell patterns of files that are not copied: without a `/` for names, with one for the path within the results."),
    Schema.Field(
      "remote", .text(.line),
      "Where results go: the name of an rclone remote, such as `gdrive`, or a folder of this machine, such as "
        + "`./results`. Without it nothing is copied, unless `run --gdrive-path` says where."),
    Schema.Field(
      "gdrive_path", .text(.path), standard: "cloudjobs",
      "The folder of the remote in which each job gets a folder of its own."),
    Schema.Field("rclone", .text(.line), standard: "rclone", "The rclone program, by name or path."),
    Schema.Field("max_size_mb", .integer(1...10_000_000), "Larger files are not copied."),
    Schema.Field(
      "inputs", .boolean, standard: .bool(false),
      "Whether inputs are copied too that the calculation left as they were."),
    Schema.Field(
      "pack", .integer(1...1_000_000),
      "With more result files than this, those up to 1 MB are copied as one archive, `_cs/packed.tar`."),
    duration(
      "final_limit", .seconds(900), .seconds(1)...hours(24),
      "How long the last copy may take before the instance ends without it."),
  ])

  static let ssh = Schema.Fields([
    Schema.Field("program", .text(.line), standard: "ssh", "The ssh program, by name or path."),
    Schema.Field(
      "identity_file", .text(.path),
      "The private key for instances; otherwise those of your agent and your ssh configuration."),
    Schema.Field("config_file", .text(.path), "Another ssh configuration than `~/.ssh/config`."),
    Schema.Field(
      "host_keys", .text(.choice(["pinned", "accept_new"])), standard: "pinned",
      "`pinned` trusts only the host key that an instance has published; `accept_new` trusts the first one of an "
        + "instance that has published none."),
    duration("connect_timeout", .seconds(10), .seconds(1)...hours(1), "How long a connection may take to be made."),
    duration(
      "persist", .seconds(120), .seconds(1)...hours(24),
      "How long an unused connection is kept open for the next command."),
  ])

  static let alerts = Schema.Fields([
    Schema.Field("rules", .object(rules), "One object for each rule."),
    Schema.Field(
      "cost_thresholds", .list(.money, atLeast: 0), standard: .array([]),
      "Amounts of dollars at which any job's cost is worth an alert."),
    Schema.Field(
      "budget_percents", .list(.integer(1...100), atLeast: 0),
      standard: .array(Budget.defaultPercents.map(JSONNode.integer)),
      "Percentages of a job's budget at which an alert is sent; 100 is always one of them."),
    Schema.Field(
      "price_factor", .number(1.01...1000), standard: JSONNode(.number("1.5")),
      "A price that has risen to this many times that of the launch is worth an alert."),
    Schema.Field(
      "idle_after", .duration(.seconds(10)...hours(720)),
      "A calculation that uses less than `idle_percent` of a core for so long is worth an alert; without it never."),
    Schema.Field("idle_percent", .integer(1...100), standard: .integer(5), "See `idle_after`."),
    Schema.Field(
      "stuck_after", .duration(.seconds(10)...hours(720)),
      "A calculation that has written nothing for so long, to its output or into its folder, is worth an alert; without "
        + "it never."),
    Schema.Field(
      "spend_per_day", .list(.money, atLeast: 0), standard: .array([]),
      "Amounts of dollars that all jobs together may cost in a day of this machine's time zone before it is worth an "
        + "alert."),
    Schema.Field(
      "spend_per_month", .list(.money, atLeast: 0), standard: .array([]), "The same in a calendar month."),
    Schema.Field("spend_rate", .price, "Dollars an hour that all jobs together may cost before it is worth an alert."),
    Schema.Field(
      "overrides", .list(.object(override), atLeast: 0), standard: .array([]),
      "What differs for some jobs; of several that fit, a later one has the last word."),
    duration(
      "group_wait", .zero, .zero...hours(1), "How long the first of several alerts waits for the others."),
    Schema.Field(
      "group_by", .list(.text(.choice(["job", "name", "provider", "rule"])), atLeast: 0), standard: .array([]),
      "Alerts that are due together and agree in all of these are sent as one message; give `group_wait` some seconds."),
    Schema.Field(
      "digest_over", .integer(0...10_000), standard: .integer(20),
      "More than this many alerts that are due on a channel are sent as one message; 0 never."),
    Schema.Field(
      "repeat_after", .duration(.seconds(1)...hours(720)),
      "An alert that still fires and that nobody has acknowledged is told again after this long; without it never."),
    Schema.Field(
      "quiet_hours", .list(.text(.quietHours), atLeast: 0), standard: .array([]),
      "When alerts wait until the end of the quiet: `22:00-07:00`, `Mon-Fri 18:00-08:00`, `Sat,Sun 00:00-24:00 Europe/Berlin`."
    ),
    Schema.Field(
      "quiet_except", .text(.choice(["info", "warning", "critical", "nothing"])), standard: "critical",
      "What is at least this severe is told in quiet hours all the same."),
    Schema.Field(
      "templates", .map(keys: templateKey, values: .object(messageTexts), sensitiveKeys: false), standard: .object([]),
      "Other words for alerts: by rule, or for `all`. See [templates](channels.md#other-words)."),
    Schema.Field(
      "retry",
      .object(
        Schema.Fields([
          Schema.Field(
            "max_tries", .integer(1...1000), standard: .integer(60),
            "After so many tries a delivery is given up, and listed as dead."),
          duration(
            "max_age", .seconds(3 * 86_400), .seconds(1)...hours(720), "After this long a delivery is given up."),
        ])), "When a delivery that fails is given up."),
  ])

  /// The rules that people can set: all but those that this program makes by itself.
  package static let settableRules = AlertRule.allCases.filter { ![.test, .digest, .channelUnusable].contains($0) }

  private static let override = Schema.Fields([
    Schema.Field(
      "match", .map(keys: .line, values: .text(.line), sensitiveKeys: false), required: true,
      "What the job must be, each: `job`, `name`, `provider`, or `tag.NAME`; `*` stands for any text."),
    Schema.Field("rules", .object(overriddenRules), "Keys of `rules` that differ."),
    Schema.Field("cost_thresholds", .list(.money, atLeast: 0), "Instead of the general ones."),
    Schema.Field("price_factor", .number(1.01...1000), "Instead of the general one."),
    Schema.Field("idle_after", .duration(.seconds(10)...hours(720)), "Instead of the general one."),
    Schema.Field("idle_percent", .integer(1...100), "Instead of the general one."),
    Schema.Field("stuck_after", .duration(.seconds(10)...hours(720)), "Instead of the general one."),
  ])

  private static let overriddenRules = Schema.Fields(
    settableRules.map { rule in
      Schema.Field(
        rule.rawValue,
        .object(
          Schema.Fields([
            Schema.Field("enabled", .boolean, "Whether the rule makes alerts."),
            Schema.Field("severity", .text(.choice(Alert.Severity.allCases.map(\.rawValue))), "How urgent they are."),
            Schema.Field("channels", .list(.text(.name), atLeast: 0), "The notifiers that carry them."),
          ])), meaning(rule))
    })

  /// What may have templates of its own.
  private static let templateKey: TextRule = {
    let keys = ["all"] + AlertRule.allCases.map(\.rawValue)
    return TextRule(kind: "rule", choices: keys) { text in
      if keys.contains(text) { return nil }
      let near = Wording.nearest(to: text, in: keys).map { "did you mean \($0)?" }
      return "is neither a rule nor all; " + (near ?? "one of \(keys.joined(separator: ", "))")
    }
  }()

  static let messageTexts = Schema.Fields([
    Schema.Field("title", .text(.template), "The line that stands for the alert, such as the subject of a mail."),
    Schema.Field(
      "text", .text(.templateLines),
      "What stands in place of the facts, a line each. One that begins with a label (`Cost: {{job.cost}}`) is a fact."),
  ])

  private static let rules = Schema.Fields(
    settableRules.map { rule in
      let standard = AlertPolicy.defaultSetting(rule)
      return Schema.Field(
        rule.rawValue,
        .object(
          Schema.Fields([
            Schema.Field("enabled", .boolean, standard: .bool(standard.enabled), "Whether the rule makes alerts."),
            Schema.Field(
              "severity", .text(.choice(Alert.Severity.allCases.map(\.rawValue))),
              standard: .string(standard.severity.rawValue),
              "How urgent they are."),
            Schema.Field(
              "channels", .list(.text(.name), atLeast: 0),
              "The notifiers that carry them; without this key all of them."),
          ])), meaning(rule))
    })

  private static func meaning(_ rule: AlertRule) -> String {
    switch rule {
    case .jobFailed: "A calculation failed, or its instance vanished."
    case .jobPreempted: "An instance was taken back by its provider."
    case .jobStuck: "A calculation has written nothing for `stuck_after`."
    case .spendPerDay: "All jobs together have cost one of `spend_per_day` in a day."
    case .spendPerMonth: "All jobs together have cost one of `spend_per_month` in a month."
    case .spendForecast: "At the present rate the next of these amounts will be reached within the day or month."
    case .spendRate: "All jobs together cost more than `spend_rate`."
    case .instanceLeaked: "An instance runs that no open job needs."
    case .launchFailed: "An instance could not be launched."
    case .jobCompleted: "A calculation ended well."
    case .jobTerminated: "A job was ended by someone or by a limit."
    case .costThreshold: "A job's cost crossed one of `cost_thresholds`, or a percentage of its budget."
    case .budgetReached: "A job's budget is spent."
    case .heartbeatLost: "An instance stopped writing its beacon."
    case .providerUnreachable: "A provider has not answered for `watch.unreachable_after`."
    case .syncFailing: "Results can't be copied, or some of them can't be read."
    case .syncStale: "The last copy of a running job's results is older than two of `sync.interval`."
    case .finalSyncIncomplete: "An instance ended without a last copy of its results."
    case .resultsDamaged: "Results on the remote are missing or not as they were copied."
    case .priceRise: "The price of an instance has risen to `price_factor` times that of its launch."
    case .instanceIdle: "A calculation has done nothing for `idle_after`."
    case .watcherDisk: "The disk of the database has less than `watch.min_free_mb` left."
    case .channelUnusable: "A channel can't be used as it is configured; told through the others."
    case .digest: "Many alerts in one message."
    case .test: "Sent by `notify test`."
    }
  }

  static func duration(
    _ key: String, _ standard: Duration, _ range: ClosedRange<Duration>, _ meaning: String
  ) -> Schema.Field {
    Schema.Field(key, .duration(range), standard: .string(ValueReader.text(standard)), meaning)
  }

  static func hours(_ hours: Int64) -> Duration { .seconds(hours * 3600) }
}

extension JSONNode: ExpressibleByStringLiteral {
  package init(stringLiteral text: String) { self = .string(text) }
}
