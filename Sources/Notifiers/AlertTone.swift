package import JobModel

/// How urgent an alert looks: its colour, its mark, and its rank in the words of each service. The one place for that.
package enum AlertTone: Sendable, Hashable, CaseIterable {
  case critical
  case warning
  case info
  /// What was wrong is over, however severe it was.
  case resolved

  package init(_ alert: Alert) {
    if alert.status == .resolved {
      self = .resolved
      return
    }
    self =
      switch alert.severity {
      case .critical: .critical
      case .warning: .warning
      case .info: .info
      }
  }

  /// As people read it.
  package var word: String {
    switch self {
    case .critical: "critical"
    case .warning: "warning"
    case .info: "info"
    case .resolved: "resolved"
    }
  }

  /// Red, amber, blue, green, as 0xRRGGBB.
  package var colour: Int64 {
    switch self {
    case .critical: 0xB3261E
    case .warning: 0x8A5A00
    case .info: 0x1F5FA8
    case .resolved: 0x1E7B34
    }
  }

  /// The colour as `#rrggbb`.
  package var hexColour: String {
    let digits = String(colour, radix: 16)
    return "#" + String(repeating: "0", count: 6 - digits.count) + digits
  }

  /// One character that every chat shows.
  package var mark: String {
    switch self {
    case .critical: "🔴"
    case .warning: "🟠"
    case .info: "🔵"
    case .resolved: "✅"
    }
  }

  /// The colours that an Adaptive Card knows (https://adaptivecards.io/explorer/TextRun.html).
  var cardColour: String {
    switch self {
    case .critical: "Attention"
    case .warning: "Warning"
    case .info: "Accent"
    case .resolved: "Good"
    }
  }

  /// 1 to 5, of which 3 is the ordinary one (https://docs.ntfy.sh/publish/#message-priority).
  var ntfyPriority: Int64 {
    switch self {
    case .critical: 5
    case .warning: 4
    case .info, .resolved: 3
    }
  }

  /// The short names of emoji that ntfy shows before the title (https://docs.ntfy.sh/emojis/).
  var ntfyTag: String {
    switch self {
    case .critical: "rotating_light"
    case .warning: "warning"
    case .info: "information_source"
    case .resolved: "white_check_mark"
    }
  }

  /// 0 to 10; the app makes a sound from 4 on and pops up from 8 on (https://gotify.net/docs/msgextras).
  var gotifyPriority: Int64 {
    switch self {
    case .critical: 8
    case .warning: 5
    case .info: 4
    case .resolved: 4
    }
  }

  /// The types of message that Apprise knows (https://github.com/caronc/apprise/wiki/Development_API).
  var appriseType: String {
    switch self {
    case .critical: "failure"
    case .warning: "warning"
    case .info: "info"
    case .resolved: "success"
    }
  }
}
