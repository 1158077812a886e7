import Configuration
import Foundation
import JobModel
import Logging
import ProviderKit
import Testing

@testable import Commands

@Suite("What a command works with")
struct CommandContextTests {
  private func context(
    database: String = "cloud_jobs.db", local: String = "cloud_jobs.local", folder: String = "/no/such/work"
  ) throws -> CommandContext {
    var settings = try Settings.standard()
    settings.store.path = database
    settings.local.directory = local
    return CommandContext(
      console: Samples.console(), environment: ["HOME": "/no/home"], workingDirectory: folder, settings: settings)
  }

  @Test("a relative folder of instances lies beside the database, wherever the command is started")
  func localDirectory() throws {
    let expected = [
      ("cloud_jobs.db", "cloud_jobs.local", "/no/such/work/cloud_jobs.local"),
      ("/no/data/jobs.db", "cloud_jobs.local", "/no/data/cloud_jobs.local"),
      ("/no/data/jobs.db", "../instances", "/no/instances"), ("/no/data/jobs.db", "/fast/disk", "/fast/disk"),
      ("~/jobs.db", "x", "/no/home/x"), ("sub/jobs.db", "~/x", "/no/home/x"),
      ("sub/jobs.db", "x", "/no/such/work/sub/x"),
    ]
    for (database, local, folder) in expected {
      #expect(try context(database: database, local: local).localDirectory == folder, "\(database), \(local)")
    }
  }

  @Test("who comes by a link to the database finds the same instances")
  func linkedDatabase() throws {
    let root = NSTemporaryDirectory() + "cloudjobs-context-\(UUID().uuidString)"
    for name in ["here", "there"] {
      try FileManager.default.createDirectory(atPath: "\(root)/\(name)", withIntermediateDirectories: true)
    }
    defer { try? FileManager.default.removeItem(atPath: root) }
    try Data().write(to: URL(fileURLWithPath: root + "/there/jobs.db"))
    try FileManager.default.createSymbolicLink(
      atPath: root + "/here/jobs.db", withDestinationPath: root + "/there/jobs.db")
    let direct = try context(database: root + "/there/jobs.db").localDirectory
    #expect(direct.hasSuffix("/there/cloud_jobs.local"))
    #expect(try context(database: "jobs.db", folder: root + "/here").localDirectory == direct)
  }

  @Test("the table of billing rules says what the providers say")
  func billing() throws {
    let providers = try context().providers()
    #expect(CommandContext.billingRules == Dictionary(uniqueKeysWithValues: providers.map { ($0.name, $0.billing) }))
    #expect(CommandContext.providerNames == providers.map(\.name.rawValue))
    #expect(CommandContext.billing(of: .gcp) == .perSecond)
    #expect(CommandContext.reaches(.local) && CommandContext.reaches(.aws) && !CommandContext.reaches(.gcp))
  }

  @Test("the level of the log is that of the flag, then of the variable that names one")
  func levels() throws {
    func level(_ debug: Bool, _ environment: [String: String]) throws -> Logger.Level? {
      try Log.wantedLevel(debug: debug, environment: environment)
    }
    #expect(try level(false, [:]) == nil)
    #expect(try level(false, ["CLOUDJOBS_LOG_LEVEL": ""]) == nil)
    #expect(try level(false, ["CLOUDJOBS_DEBUG": "1"]) == .debug)
    #expect(try level(false, ["CLOUDJOBS_LOG_LEVEL": "error", "CLOUDJOBS_DEBUG": "1"]) == .error)
    #expect(try level(true, ["CLOUDJOBS_LOG_LEVEL": "error"]) == .debug)
    for name in ["trace", "debug", "info", "notice", "warning", "error"] {
      #expect(try level(false, ["CLOUDJOBS_LOG_LEVEL": name])?.rawValue == name)
    }
    for name in ["loud", "1", "critical", " info"] {
      let error = #expect(throws: CommandError.self) { try level(false, ["CLOUDJOBS_LOG_LEVEL": name]) }
      #expect(error?.code == .configuration)
      #expect(error?.message.contains("warning") == true)
    }
  }

  @Test("a reload names what waits for the next start")
  func nextStart() throws {
    let old = try Settings.standard()
    var new = old
    new.alerts.costThresholds = [.zero]
    new.watch.pollInterval = .seconds(1)
    #expect(Watch.changesForNextStart(from: old, to: new).isEmpty)
    new.local.grace = .seconds(77)
    new.store.path = "other.db"
    new.watch.leaseTTL = .seconds(77)
    new.watch.shutdownTimeout = .seconds(77)
    #expect(
      Watch.changesForNextStart(from: old, to: new) == ["local", "store", "watch.lease_ttl", "watch.shutdown_timeout"])
  }
}
