internal import ArgumentParser
internal import Configuration
internal import JobModel
internal import JobStore
internal import Monitor

struct NotifySilence: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "silence", abstract: "Hear nothing of certain alerts for a while",
    discussion: """
      Alerts that match are kept back until the silence ends. What is over by then is told to nobody; what was told before
      the silence is still taken back. A pattern may hold * for any text.

      Examples:
        cloudjobs notify silence --job a1b2 --for 2h --comment "I know"
        cloudjobs notify silence --rule heartbeat_lost --provider AWS --for 30m
        cloudjobs notify silence --match "name=test-*" --for 1d
      """)

  @OptionGroup var global: GlobalOptions
  @OptionGroup var output: OutputOptions

  @Option(help: "Alerts about this job.", completion: .custom(JobCompletion.ids))
  var job: String?

  @Option(help: "Alerts of this rule.")
  var rule: String?

  @Option(help: "Alerts about jobs of this provider.")
  var provider: String?

  @Option(
    name: .customLong("match"),
    help: ArgumentHelp(
      "Alerts with this label: name, severity, tag.KEY, …; may be repeated.", valueName: "label=pattern"))
  var matches: [String] = []

  @Option(name: .customLong("for"), help: ArgumentHelp("How long.", valueName: "duration"))
  var length: String

  @Option(help: "Why, for others.")
  var comment = ""

  func validate() throws {
    guard let duration = DurationText.parse(length), duration >= .seconds(1), duration <= .seconds(366 * 86_400) else {
      throw ValidationError("--for takes a duration up to a year such as 2h, not '\(length)'")
    }
    for match in matches {
      let parts = match.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
        throw ValidationError("--match takes label=pattern, not '\(match)'")
      }
    }
    if let rule, AlertRule(rawValue: rule) == nil {
      throw ValidationError(
        "there is no rule '\(rule)'; one of \(AlertRule.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    if job == nil, rule == nil, provider == nil, matches.isEmpty {
      throw ValidationError(
        "say which alerts: --job, --rule, --provider or --match. For all of them: --match \"rule=*\"")
    }
  }

  func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    let store = try await context.openExisting()
    let silence: Silence
    do {
      silence = try await make(context, store)
      try await store.put(silence)
    } catch {
      await store.close()
      throw error
    }
    await store.close()
    switch context.format {
    case .json: context.console.out(JSONText.pretty(NotifySilences.document(silence)))
    case .text:
      context.console.out(silence.id)
      context.console.note(NotifySilences.line(silence, now: context.clock.now()))
    }
  }

  private func make(_ context: CommandContext, _ store: any Store) async throws -> Silence {
    var labels: [String: String] = [:]
    for match in matches {
      let parts = match.split(separator: "=", maxSplits: 1).map(String.init)
      labels[parts[0]] = parts[1]
    }
    if let job { labels["job"] = try await context.resolve(job, in: store).id.rawValue }
    if let rule { labels["rule"] = rule }
    if let provider { labels["provider"] = ProviderName(matching: provider).rawValue }
    var generator = SystemRandomNumberGenerator()
    let id = String(UInt32.random(in: 0x10_0000...0xff_ffff, using: &generator), radix: 16)
    let now = context.clock.now()
    return Silence(
      id: id, labels: labels, createdAt: now, until: now + (DurationText.parse(length) ?? .seconds(3600)),
      comment: comment, createdBy: context.personName)
  }
}

struct NotifySilences: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "silences", abstract: "Show the silences that hold",
    discussion: """
      Example:
        cloudjobs notify silences
      """)

  @OptionGroup var global: GlobalOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    let store = try await context.openForReading()
    let now = context.clock.now()
    let silences = try await store.silences(at: now)
    await store.close()
    switch context.format {
    case .json: context.console.out(JSONText.pretty(.array(silences.map(Self.document))))
    case .text:
      if silences.isEmpty { return context.console.note("No silence holds.") }
      for silence in silences { context.console.out("\(silence.id)  \(Self.line(silence, now: now))") }
    }
  }

  static func line(_ silence: Silence, now: Timestamp) -> String {
    let labels = silence.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    let words = silence.comment.isEmpty ? "" : ": \(printable(silence.comment))"
    return "\(printable(labels)) until \(LocalZone.text(silence.until)) (\(DurationText.short(silence.until - now))) "
      + "by \(printable(silence.createdBy))\(words)"
  }

  static func document(_ silence: Silence) -> JSONValue {
    .object([
      "id": .string(silence.id), "labels": .object(silence.labels.mapValues(JSONValue.string)),
      "created_at": .time(silence.createdAt), "until": .time(silence.until), "comment": .string(silence.comment),
      "created_by": .string(silence.createdBy),
    ])
  }
}

struct NotifyUnsilence: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unsilence", abstract: "End silences now",
    discussion: """
      What they kept back and still holds is sent.

      Example:
        cloudjobs notify unsilence 4f21ab
      """)

  @OptionGroup var global: GlobalOptions

  @Argument(help: ArgumentHelp("Their ids, from `notify silences`.", valueName: "silence"))
  var silences: [String]

  func run() async throws {
    let context = try CommandContext.make(global)
    let store = try await context.openExisting()
    var unknown: [String] = []
    do {
      for id in silences where try await !store.endSilence(id, at: context.clock.now()) { unknown.append(id) }
    } catch {
      await store.close()
      throw error
    }
    await store.close()
    guard unknown.isEmpty else {
      throw CommandError(
        .noInput,
        "no silence of this name holds: \(unknown.map(printable).joined(separator: ", ")). See: cloudjobs notify silences"
      )
    }
  }
}
