import Foundation
import JobModel
import LocalProvider
import ProviderKit
import TestSupport
import Testing

@Suite struct ScriptTests {
  @Test(arguments: [
    ("true", 0), ("exit 1", 1), ("exit 127", 127), ("exit 143", 143), ("exit 255", 255), ("no-such-program", 127),
    ("kill -9 $$", 137), ("kill -TERM $$", 143), ("kill -INT $$", 130), ("kill -SEGV $$", 139), ("if", 2),
    ("sleep 0.2; exit 4", 4),
  ])
  func reportsTheExactExitCode(_ command: String, _ code: Int) async throws {
    let ground = try Ground()
    let end = try await ground.run(ground.request(command)).report
    #expect(end.beacon?.exitCode == code)
    #expect(end.beacon?.endedBy == nil)
    #expect(end.beacon?.phase == .finished)
    let beacon = try #require(end.beacon)
    let (started, finished) = (try #require(beacon.startedAt), try #require(beacon.finishedAt))
    #expect(started <= finished && finished <= beacon.heartbeatAt)
  }

  @Test func keepsAllOutputInOrder() async throws {
    let ground = try Ground()
    let (end, output) = try await ground.run(
      ground.request("i=0; while [ $i -lt 20000 ]; do echo \"line $i\"; i=$((i+1)); done; echo last >&2; exit 5"))
    #expect(end.beacon?.exitCode == 5)
    #expect(output == (0..<20000).map { "line \($0)\n" }.joined() + "last\n")
  }

  @Test func keepsHugeOutput() async throws {
    let ground = try Ground()
    let reference = try await ground.launch(ground.request("head -c 50000000 /dev/zero"))
    #expect(try await ground.gone(reference).beacon?.exitCode == 0)
    let size = try FileManager.default.attributesOfItem(atPath: ground.provider.logFile(of: reference))[.size] as? Int
    #expect(size == 50_000_000)
  }

  @Test func runsInACopyOfTheFolder() async throws {
    let ground = try Ground()
    let names = ["a b", "ümläut", "quote'\"", "new\nline", "-n", "%41", "..hidden", "$(date)", "tab\t"]
    for name in names { try ground.write(ground.inputs + "/" + name, Array(name.utf8)) }
    try FileManager.default.createDirectory(atPath: ground.inputs + "/sub/empty", withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(atPath: ground.inputs + "/link", withDestinationPath: "nowhere")
    let reference = try await ground.launch(ground.request("echo new > molecule.xyz; ls -A | wc -l; test -h link"))
    #expect(try await ground.gone(reference).beacon?.exitCode == 0)
    for name in names { #expect(ground.text(ground.path(reference, "work/" + name)) == name) }
    #expect(ground.text(ground.inputs + "/molecule.xyz") == "H 0 0 0\n")
    let bytes = names.reduce(8) { $0 + $1.utf8.count }
    #expect(await ground.provider.inputs(of: reference) == FileCount(files: names.count + 1, bytes: Int64(bytes)))
  }

  @Test(arguments: ["in put", "a\nb", "é%20", "q'\"$(touch x)", "trailing\n"])
  func takesAnyFolderName(_ name: String) async throws {
    let ground = try Ground()
    let folder = ground.folder + "/" + name
    try FileManager.default.moveItem(atPath: ground.inputs, toPath: folder)
    let (end, output) = try await ground.run(ground.request("cat molecule.xyz") { $0.directory = folder })
    #expect(end.beacon?.exitCode == 0)
    #expect(output == "H 0 0 0\n")
  }

  @Test func leavesTheInstancesOutOfTheirOwnInputs() async throws {
    let ground = try Ground()
    try FileManager.default.createDirectory(atPath: ground.root, withIntermediateDirectories: true)
    let (end, output) = try await ground.run(ground.request("ls -A") { $0.directory = ground.folder })
    #expect(end.beacon?.exitCode == 0)
    #expect(output == "in\n")
  }

  @Test func givesTheEnvironmentAsItIs() async throws {
    let ground = try Ground()
    let values = [
      "A": "it's \"quoted\" $(id) `id` \\ ${HOME} !", "B": "two\nlines\n", "IFS": "=x", "TOKEN": "mine", "STOP": "",
      "COMMAND": "true", "UNICODE": "日本 é\u{301} 👩‍🔬", "cj_command": "false", "ENV": "/nonexistent", "PPID": "1",
      "CLOUDJOBS_TOKEN": "stolen", "NAME": "-n",
    ]
    let request = ground.request(
      "/usr/bin/env -0 > all; printf '%s' \"$BASIS_SET/$EXECUTABLE\"", environment: values
    ) {
      $0.basisSet = "6-31G*; rm"
      $0.executable = "/opt/my prog"
    }
    let reference = try await ground.launch(request)
    #expect(try await ground.gone(reference).beacon?.exitCode == 0)
    #expect(ground.output(reference) == "6-31G*; rm//opt/my prog")
    let pairs = ground.text(ground.path(reference, "work/all")).split(separator: "\0").map(String.init)
    for (name, value) in values where !["CLOUDJOBS_TOKEN", "IFS", "PPID"].contains(name) {
      // A shell sets IFS and PPID itself.
      #expect(pairs.contains("\(name)=\(value)"), "\(name)")
    }
    #expect(pairs.contains("CLOUDJOBS_TOKEN=\(request.token)"))
    #expect(pairs.contains("CLOUDJOBS_JOB_ID=\(request.job)"))
    #expect(pairs.contains("CLOUDJOBS_ATTEMPT=1"))
    #expect(!FileManager.default.fileExists(atPath: ground.path(reference, "x")))
  }

  @Test func handsDownNothingOfOurs() async throws {
    let ground = try Ground()
    let file = open(ground.inputs + "/molecule.xyz", O_RDONLY)
    defer { close(file) }
    let (_, output) = try await ground.run(
      ground.request("ls /proc/self/fd | wc -l; sed -n 's/^Sig[BI][lg][kn]:.//p' /proc/self/status; umask"))
    let lines = output.split(separator: "\n")
    try #require(lines.count == 4)
    // Standard input, output, error, and the folder that ls reads.
    #expect(lines[0] == "4")
    // Blocked and ignored signals; 32 and 33 belong to the C library.
    for line in lines[1...2] { #expect(UInt64(line, radix: 16).map { $0 & 0x7FFF_FFFF } == 0, "\(line)") }
    #expect(lines[3] == "0077")
  }

  @Test func endsWhatTheCommandLeftBehind() async throws {
    let ground = try Ground()
    let reference = try await ground.launch(
      ground.request("sleep 300 & setsid sleep 301 & (env -i sleep 302 &); (trap '' TERM; sleep 303 & wait) & exit 6"))
    let end = try await ground.gone(reference)
    #expect(end.beacon?.exitCode == 6)
    #expect(try ground.marked(reference).isEmpty)
  }

  @Test func refusesWhatCanNotBe() async throws {
    let ground = try Ground()
    for request in [
      ground.request("true", environment: ["1A": "x"]), ground.request("true", environment: ["A B": "x"]),
      ground.request("true", environment: ["A": "x\0y"]), ground.request("tr\0ue"),
      ground.request("true") { $0.directory = "/nonexistent" },
    ] {
      guard case .refused(.launchError, let text) = await ground.provider.launch(request) else {
        Issue.record("not refused: \(request.spec)")
        continue
      }
      #expect(!text.isEmpty)
      #expect(await ground.provider.find(request) == .absent)
    }
  }

  @Test func saysWhyInputsAreMissing() async throws {
    let ground = try Ground()
    let request = ground.request("true")
    let reference = try await ground.start(
      request,
      inputs: [
        .folder(ground.inputs), BootstrapJob.Input(url: "http://127.0.0.1:1/x?sig=secret", path: "big \"file\""),
      ])
    let end = try await ground.gone(reference)
    #expect(end.beacon?.endedBy == "bootstrap_error")
    #expect(end.beacon?.exitCode == nil)
    let message = try #require(end.beacon?.message)
    #expect(message.contains("the inputs could not be staged") && message.contains("big"))
    #expect(!message.contains("secret"))
  }
}
