import JobModel
import Monitor

@testable import Commands

/// 2027-01-15T08:00:00Z.
let epoch = Timestamp(seconds: 1_800_000_000)

enum Samples {
  /// A console that is no terminal.
  static func console(
    sink: @escaping @Sendable (Console.Stream, String) -> Void = { _, _ in },
    source: @escaping @Sendable () -> String? = { nil }
  ) -> Console {
    Console(
      isOutputTerminal: false, isErrorTerminal: false, isInputTerminal: false, usesColor: false, sink: sink,
      source: source)
  }

  /// A job that was made at `epoch`, `age` ago in its present state.
  static func job(
    _ id: String = "a1b2c3d4", _ state: JobState = .running, name: String = "water", provider: ProviderName = .aws,
    type: String = "r5.4xlarge", region: String = "us-east-1", price: String = "0.45", budget: Budget? = nil,
    ended: Duration? = nil, created: Timestamp = epoch
  ) -> Job {
    var job = Job(
      id: JobID(id)!, provider: provider,
      spec: JobSpec(name: name, directory: "/data/water", command: "sh ./run.sh"), budget: budget, createdAt: created)
    job.state = state
    guard state != .launching else { return job }
    job.attempt.instance = Instance(id: "i-0123456789abcdef0", type: type, region: region)
    job.attempt.instanceState = state.isTerminal ? .terminated : .running
    job.attempt.launchedAt = created
    job.attempt.segments = [PriceSegment(from: created, price: HourlyPrice(price)!)]
    if state != .launched { job.startedAt = created }
    if state.isTerminal {
      job.endedAt = created + (ended ?? .seconds(60))
      job.attempt.endedAt = job.endedAt
    }
    return job
  }

  /// Names that want to move the cursor, forge a line, hide, or take more room than they say.
  static let hostileNames = [
    "a\nb", "a\r\nb", "\u{1B}[2J\u{1B}[H", "\u{1B}]0;title\u{07}", "a\u{8}\u{8}\u{8}b", "tab\there", "\u{9B}31m",
    "\u{202E}live", "line\u{2028}sep\u{2029}par", "z\u{0335}\u{0336}\u{0337}\u{0338}algo", "nul\u{0}byte",
    String(repeating: "x", count: 500), "", " ", "\u{FEFF}\u{200B}", "\u{85}next",
  ]

  /// Names whose characters take two columns of a terminal.
  static let wideNames = ["水分子の計算と電子相関", "🧪🧪🧪🧪🧪🧪🧪🧪🧪🧪🧪🧪", "한글이름한글이름한글이름"]
}

/// The columns that a terminal needs for a line, escape sequences for colour not counted.
func columns(_ line: String) -> Int {
  var count = 0
  var rest = Substring(line)
  while let character = rest.first {
    if character == "\u{1B}", let end = rest.firstIndex(of: "m") {
      rest = rest[rest.index(after: end)...]
      continue
    }
    count += isWide(character) ? 2 : 1
    rest = rest.dropFirst()
  }
  return count
}

/// East Asian wide and emoji presentation (Unicode UAX #11), as far as the samples need it.
private func isWide(_ character: Character) -> Bool {
  guard let scalar = character.unicodeScalars.first else { return false }
  switch scalar.value {
  case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
    0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F900...0x1F9FF:
    return true
  default: return false
  }
}

extension String {
  /// No character but those that stay where they are written; escape sequences for colour are allowed.
  var isHarmless: Bool {
    let plain = replacing(try! Regex("\u{1B}\\[[0-9;]*m"), with: "")
    return plain.unicodeScalars.allSatisfy { scalar in
      switch scalar.properties.generalCategory {
      case .control, .lineSeparator, .paragraphSeparator: false
      case .format: scalar.value == 0x200D
      default: true
      }
    }
  }
}
