import Foundation
import JobModel
import JobStore

/// Writes alerts that begin and end into a database, as supervisors do, while somebody else delivers them.
enum RaiseBenchmark {
  /// - Parameters:
  ///   - channel: one, or several with commas between them.
  ///   - seconds: over which they are spread; 0 writes them as fast as the disk takes them.
  static func run(path: String, count: Int, channel: String, seconds: Int, ends: Bool) async throws -> [String: Double]
  {
    let store = try await StoreActor.open(StoreOptions(path: path))
    var generator = SeededGenerator(seed: 7)
    if seconds == 0, !ends { return try await raiseAtOnce(store, count, channel) }
    let pause = count > 0 ? Double(seconds) / Double(count) : 0
    var open: [Int] = []
    var raised = 0.0
    let began = Meter.seconds()
    for index in 0..<count {
      raised += Double(try await store.raise([alert(index, channel, .firing)], at: now()))
      open.append(index)
      if ends, open.count > 20 {
        let ended = open.remove(at: Int.random(in: 0..<open.count, using: &generator))
        raised += Double(try await store.raise([alert(ended, channel, .resolved)], at: now()))
      }
      if pause > 0 { try await Task.sleep(for: .seconds(pause)) }
    }
    if ends {
      for index in open { raised += Double(try await store.raise([alert(index, channel, .resolved)], at: now())) }
    }
    await store.close()
    return ["alerts": raised, "seconds": Meter.seconds() - began]
  }

  /// Five hundred in a transaction, as a commit of many supervisors has them.
  private static func raiseAtOnce(_ store: StoreActor, _ count: Int, _ channel: String) async throws -> [String: Double]
  {
    let began = Meter.seconds()
    for first in stride(from: 0, to: count, by: 500) {
      try await store.raise((first..<min(count, first + 500)).map { alert($0, channel, .firing) }, at: now())
    }
    await store.close()
    return ["alerts": Double(count), "seconds": Meter.seconds() - began]
  }

  private static func now() -> Timestamp { Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)) }

  private static func alert(_ index: Int, _ channel: String, _ status: Alert.Status) -> Alert {
    Alert(
      id: "alert-\(index)", rule: .heartbeatLost, severity: .warning, at: now(), job: nil, title: "Alert \(index)",
      facts: [Alert.Fact("Job", "a1b2c3d4 (water)"), Alert.Fact("What", "no heartbeat for 5m")], nextCommand: nil,
      channels: status == .resolved ? [] : channel.split(separator: ",").map(String.init), status: status,
      condition: "condition-\(index)",
      labels: ["rule": "heartbeat_lost"])
  }
}
