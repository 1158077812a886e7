import Foundation
import JobModel
import ProviderKit
import TestSupport
import Testing

@Suite("Staging inputs over HTTP", .timeLimit(.minutes(2)))
struct StagingTests {
  private func content(_ number: Int, _ size: Int) -> [UInt8] {
    Array(String(repeating: "\(number) ", count: size).utf8.prefix(size))
  }

  private func sum(_ machine: Machine, _ bytes: [UInt8]) async throws -> String {
    let path = machine.place.path("summed")
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return String(try await machine.place.tool("sha256sum", path).prefix(64))
  }

  /// Runs the script to its end, and returns its beacon.
  private func stage(_ machine: Machine, _ inputs: [BootstrapJob.Input], _ command: String = "true") async throws
    -> Beacon
  {
    let job = machine.bootstrap(command, inputs: inputs)
    try machine.instance(machine.channel(), job)
    let outcome = try await machine.startBootstrap(job).outcome(within: .seconds(90))
    #expect(outcome.code == 0, "\(outcome)")
    let bytes = Array(machine.text(machine.path("beacon.json")).utf8)
    return try #require(BeaconReader.parse(bytes, job: machine.job, attempt: 1))
  }

  private static let oddNames = [
    "we ird \"q\" 'x'", "-dash", "new\nline", "back\\slash", "tab\tand\rreturn\u{b}", "é/日本/👩‍🔬", "a[1-3]{x,y}#1", "%41%",
    "$(touch x)`y`", " lead", "trail ", "deep/-r/../x/.hidden".replacingOccurrences(of: "../", with: "..a/"), "*", "~",
  ]

  @Test("Odd names, empty files, modes, links and folders", arguments: Machine.shells.filter { Workplace.has($0) })
  func odd(_ shell: String) async throws {
    try await Machine.run(shell: shell) { machine in
      try await machine.bucket.order("fill", ["prefix": "f", "count": 20, "size": 50])
      try await machine.bucket.put("empty", "")
      let known = try await sum(machine, content(3, 50))
      var inputs = Self.oddNames.map {
        BootstrapJob.Input(url: machine.bucket.url("f3"), path: $0, size: 50, sha256: known)
      }
      inputs += [
        BootstrapJob.Input(url: machine.bucket.url("f4"), path: "run me", mode: 0o755, size: 50),
        BootstrapJob.Input(url: machine.bucket.url("f4"), path: "run\nme", mode: 0o755, size: 50),
        BootstrapJob.Input(url: machine.bucket.url("empty"), path: "void", mode: 0o444, size: 0),
        BootstrapJob.Input(url: machine.bucket.url("empty"), path: "vo\nid", size: 0),
        BootstrapJob.Input(url: machine.bucket.url("f5"), path: "as before"),
        .emptyFolder("hollow/inner", mode: 0o750), .emptyFolder("shut", mode: 0o500), .emptyFolder("li\nne"),
        BootstrapJob.Input(url: machine.bucket.url("f6"), path: "shut/in", size: 50),
        .link("run me", at: "links/there"), .link("../no where", at: "links/odd\n"), .link("/tmp", at: "-l"),
      ]
      let beacon = try await stage(machine, inputs)
      #expect(beacon.exitCode == 0, "\(beacon)")
      let work = machine.path("work/")
      for name in Self.oddNames {
        #expect(FileManager.default.contents(atPath: work + name).map(Array.init) == content(3, 50), "\(name)")
      }
      func mode(_ name: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: work + name)[.posixPermissions] as? Int
      }
      let modes = try ["run me", "run\nme", "void", "hollow/inner", "shut", "vo\nid", "as before"].map(mode)
      #expect(modes == [0o755, 0o755, 0o444, 0o750, 0o500, 0o600, 0o600])
      #expect(machine.text(work + "shut/in").hasPrefix("6 ") && machine.text(work + "as before").hasPrefix("5 "))
      for (link, target) in [("links/there", "run me"), ("links/odd\n", "../no where"), ("-l", "/tmp")] {
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: work + link) == target)
      }
    }
  }

  @Test("What arrives wrong is fetched once more; what stays wrong is named, without its address")
  func wrong() async throws {
    try await Machine.run { machine in
      try await machine.bucket.order("fill", ["prefix": "f", "count": 30, "size": 50])
      var inputs: [BootstrapJob.Input] = []
      for number in 0..<30 {
        inputs.append(
          .init(
            url: machine.bucket.url("f\(number)", "secret-\(number)"), path: "d/\(number)", size: 50,
            sha256: try await sum(machine, content(number, 50))))
      }
      try await machine.bucket.order("cut", ["key": "f7", "bytes": 20, "times": 1])
      try await machine.bucket.order("fail", ["key": "f9", "status": 404, "times": 1])
      #expect(try await stage(machine, inputs).exitCode == 0)

      for (edit, words) in [
        ({ (input: inout BootstrapJob.Input) in input.size = 51 }, "d/3: has 50 bytes instead of 51"),
        ({ $0.sha256 = String(repeating: "0", count: 64) }, "d/3: has another SHA-256"),
        ({ $0.url = machine.bucket.url("none", "secret-3") }, "d/3: could not be fetched (curl: (22)"),
        ({ $0.path = "../x" }, "../x: is no path within"), ({ $0.path = "/x" }, "/x: is no path within"),
      ] as [((inout BootstrapJob.Input) -> Void, String)] {
        try FileManager.default.removeItem(atPath: machine.directory)
        var changed = inputs
        edit(&changed[3])
        let beacon = try await stage(machine, changed)
        #expect(beacon.endedBy == "bootstrap_error" && beacon.startedAt == nil)
        #expect(beacon.message?.contains(words) == true, "\(beacon.message ?? "")")
        #expect(beacon.message?.contains("secret") == false)
        #expect(!machine.exists("instance/x"))
      }
    }
  }

  @Test("Two thousand small files come over few connections")
  func many() async throws {
    try await Machine.run { machine in
      let count = 2000
      try await machine.bucket.order("fill", ["prefix": "f", "count": count, "size": 300])
      let inputs = (0..<count).map {
        BootstrapJob.Input(url: machine.bucket.url("f\($0)"), path: "d\($0 % 40)/s/\($0)", size: 300)
      }
      let clock = ContinuousClock()
      var beacon: Beacon?
      let time = try await clock.measure { beacon = try await stage(machine, inputs, "find . -type f | wc -l") }
      #expect(beacon?.exitCode == 0)
      #expect(machine.text(machine.path("output.log")).trimmingCharacters(in: .whitespacesAndNewlines) == "\(count)")
      let state = try await machine.bucket.state()
      #expect(state.counts.values.reduce(0, +) == count && state.connections < 200)
      // A request of its own for each would take half a minute.
      #expect(time < .seconds(20))
    }
  }
}
