import Foundation
import JobModel
import ProviderKit
import TestSupport
import Testing

@Suite("What a new machine is given", .timeLimit(.minutes(2)))
struct LoaderTests {
  private let url =
    "https://bucket.s3.eu-test-1.amazonaws.com/a/bundle?X-Amz-Signature=" + String(repeating: "f", count: 64)

  @Test("The script fits into user data, with the longest address too, and is plain shell")
  func size() throws {
    var loader = LoaderScript(bundleURL: url, backstop: .seconds(3600))
    #expect(try loader.text().utf8.count < 8_192)
    #expect(try loader.text().hasPrefix("#!/bin/sh\n"))
    // With a session token and a long key.
    loader.bundleURL += String(repeating: "x", count: 6_000)
    #expect(try loader.text().utf8.count <= LoaderScript.limit)
    loader.bundleURL += String(repeating: "x", count: 10_000)
    #expect(throws: ProviderError.self) { try loader.text() }
    #expect(!"\(loader)".contains("Signature"))
  }

  @Test(
    "What is no address or no folder is refused, and an address is in no message",
    arguments: ["", "ftp://h/x", "https://h/a b", "https://h/\"", "https://h/\\", "https://h/\nx", "https://h/é"])
  func refused(_ url: String) throws {
    let error = #expect(throws: ProviderError.self) { try LoaderScript(bundleURL: url, backstop: nil).text() }
    #expect(url.isEmpty || error.map { !$0.description.contains(url) } == true)
    for directory in ["", "/", "relative", "/a b", "/a$b", "/a%b", "/a\nb"] {
      #expect(throws: ProviderError.self) {
        try LoaderScript(directory: directory, bundleURL: self.url, backstop: nil).text()
      }
    }
  }

  @Test("It fetches the bundle and runs it, once", arguments: Machine.shells.filter { Workplace.has($0) })
  func loads(_ shell: String) async throws {
    try await Machine.run(shell: shell) { machine in
      let program = "echo \"$1\" >>\(quoted(machine.place.path("ran")))\n"
      let bundle = InstanceBundle(
        directory: machine.directory, files: [.init("bootstrap.sh", Array(program.utf8), isExecutable: true)],
        host: machine.host)
      // The network is late.
      try await machine.bucket.order("fail", ["key": "bundle", "status": 503, "times": 1])
      try await machine.bucket.put("bundle", String(decoding: try bundle.bytes(), as: UTF8.self))
      let outcome = try await machine.load(backstop: .seconds(300)).outcome()
      #expect(outcome.code == 0, "\(outcome)")
      try await eventually("the script has run") { machine.text("ran") == machine.directory + "\n" }
      #expect(!machine.isOff && machine.text("console").contains("503"))
      let again = try await machine.load(backstop: .seconds(300)).outcome()
      #expect(again.code == 0 && machine.text("ran") == machine.directory + "\n")
      let attributes = try FileManager.default.attributesOfItem(atPath: machine.directory)
      #expect(attributes[.posixPermissions] as? Int == 0o700)
      #expect(!FileManager.default.fileExists(atPath: machine.path("bundle.part")))
    }
  }

  @Test("A machine that can't get its bundle says so on its console and switches itself off")
  func gone() async throws {
    try await Machine.run { machine in
      let outcome = try await machine.load(machine.bucket.url("none", "very-secret"), patience: .zero).outcome()
      #expect(outcome.code == 1 && machine.isOff)
      #expect(machine.text("console").contains("switched off") && machine.text("console").contains("404"))
      #expect(!machine.text("console").contains("very-secret") && !"\(outcome)".contains("very-secret"))
    }
  }

  @Test("The backstop switches the machine off whatever else happens")
  func backstop() async throws {
    try await Machine.run { machine in
      let bundle = InstanceBundle(directory: machine.directory, files: [], host: machine.host)
      try await machine.bucket.put("bundle", String(decoding: try bundle.bytes(), as: UTF8.self))
      #expect(try await machine.load(backstop: .seconds(1)).outcome().code == 0)
      try await machine.switchedOff()
    }
  }

  @Test("Without curl it takes wget or python", arguments: ["wget", "python3"].filter { Workplace.has($0) })
  func withoutCurl(_ other: String) async throws {
    try await Machine.run { machine in
      let bundle = InstanceBundle(
        directory: machine.directory, files: [.init("here", Array("yes".utf8))], host: machine.host)
      try await machine.bucket.put("bundle", String(decoding: try bundle.bytes(), as: UTF8.self))
      // The programs of a small machine, without curl.
      let programs = machine.place.path("few")
      try FileManager.default.createDirectory(atPath: programs, withIntermediateDirectories: true)
      for name in [
        "sh", "mkdir", "chmod", "sed", "tail", "head", "wc", "mv", "rm", "sleep", "setsid", "grep", "timeout", other,
      ] {
        // The system's own first: others may be scripts that need more programs.
        let found = (["/usr/bin", "/bin"] + Workplace.searchPath.split(separator: ":")).map { "\($0)/\(name)" }.first {
          FileManager.default.isExecutableFile(atPath: $0)
        }
        try FileManager.default.createSymbolicLink(
          atPath: programs + "/" + name, withDestinationPath: try #require(found))
      }
      let words = ["PATH=" + programs, machine.shell, machine.place.path("user-data")]
      let loader = LoaderScript(
        directory: machine.directory, bundleURL: machine.bucket.url("bundle"), backstop: nil, patience: .zero,
        powerOff: machine.powerOff, host: machine.host)
      try machine.place.write("user-data", loader.text())
      let outcome = try await machine.place.program("/usr/bin/env", words).outcome()
      #expect(outcome.code == 0 && machine.text(machine.path("here")) == "yes", "\(outcome)")
    }
  }
}

@Suite("All files of an instance as one script", .timeLimit(.minutes(1)))
struct InstanceBundleTests {
  private static let anyBytes = (0..<3).flatMap { _ in (0...255).map { UInt8($0) } }

  @Test(
    "Any bytes come out as they went in, private to the user", arguments: Machine.shells.filter { Workplace.has($0) })
  func unpacks(_ shell: String) async throws {
    try await Machine.run(shell: shell) { machine in
      let files: [InstanceBundle.File] = [
        .init("any", Self.anyBytes), .init("empty", []), .init("no-line-end", Array("END\nEOF".utf8)),
        .init("script", Array("#!/bin/sh\necho \"$0\"\n".utf8), isExecutable: true),
      ]
      let bundle = InstanceBundle(directory: machine.directory, files: files, host: machine.host)
      let path = machine.place.path("bundle")
      try Data(bundle.bytes()).write(to: URL(fileURLWithPath: path))
      let outcome = try await machine.run([path]).outcome()
      #expect(outcome.code == 0, "\(outcome)")
      for file in files {
        let found = FileManager.default.contents(atPath: machine.path(file.name)).map(Array.init)
        #expect(found == file.bytes, "\(file.name)")
        let mode = try FileManager.default.attributesOfItem(atPath: machine.path(file.name))[.posixPermissions] as? Int
        #expect(mode == (file.isExecutable ? 0o700 : 0o600), "\(file.name)")
      }
      #expect(!FileManager.default.fileExists(atPath: path))
    }
  }

  @Test("One that was cut off anywhere unpacks nothing")
  func truncated() async throws {
    try await Machine.run { machine in
      let bundle = InstanceBundle(
        directory: machine.directory, files: [.init("a", Self.anyBytes)], host: machine.host)
      let whole = try bundle.bytes()
      for length in [whole.count - 1, whole.count - 30, whole.count - 500, whole.count - 800, 1200, 200] {
        try Data(whole.prefix(length)).write(to: URL(fileURLWithPath: machine.place.path("bundle")))
        let outcome = try await machine.run([machine.place.path("bundle")]).outcome()
        #expect(outcome.code != 0 || length <= 1200, "\(length)")
        #expect(!FileManager.default.fileExists(atPath: machine.path("a")), "\(length)")
      }
    }
  }

  @Test(arguments: ["", ".", "..", "a/b", "-n", "a b", "a\nb", "$x", "é"])
  func refusesOtherNames(_ name: String) {
    #expect(throws: ProviderError.self) { try InstanceBundle(files: [.init(name, [])]).bytes() }
  }
}
