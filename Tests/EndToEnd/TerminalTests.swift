import Foundation
import TestSupport
import Testing

@Suite("What a person sees on a terminal")
struct TerminalTests {
  private static let endless = "while :; do sleep 0.2; done"

  // MARK: The live table

  @Test("the live table shows jobs and events, keeps to the size of the window, and q leaves it")
  func liveTable() async throws {
    try await Workplace.run { place in
      try place.calculation("endless", Self.endless)
      try place.calculation("waits", "while [ ! -e \(place.path("go")) ]; do sleep 0.1; done")
      // Letters that are two columns wide.
      let id = try await place.job("endless", "--name", "水の計算")
      let other = try await place.job("waits", "--name", "別の計算")
      let terminal = try place.terminal("watch", width: 100, height: 16)
      try await terminal.shows("cloudjobs watch  2 open  $", id, other)
      try place.write("go", "")
      let screen = try await terminal.shows(
        "cloudjobs watch  1 open  $", "\(id)  水の計算          running  ",
        "  \(other)  別の計算: completed, exit code 0")
      #expect(screen.alternate && !screen.cursor && !screen.echo && !screen.cooked, "\(screen)")
      let row = try #require(screen.lines.firstIndex { $0.hasPrefix(id) }, "\(screen)")
      #expect(screen.painted.contains(row), "\(screen)")

      for (width, height, title) in [
        (130, 20, "Job ID    Name              Status      Provider  "), (60, 12, "Job ID    Status      "),
        (30, 8, "Job ID    Status"),
      ] {
        try await terminal.resize(width: width, height: height)
        // What was on its way at the change has the old size.
        let first = try await terminal.draws(2)
        let screen = try await terminal.draws(1)
        #expect(screen.wraps == first.wraps, "\(width): \(screen)")
        #expect(screen.lines.count == height)
        // To the last column.
        #expect(screen.lines.contains(String(repeating: "─", count: width)), "\(width): \(screen)")
        #expect(screen.lines.contains { $0.hasPrefix(title) }, "\(width): \(screen)")
        #expect(screen.lines.contains { $0.hasPrefix(id) }, "\(width): \(screen)")
        #expect(screen.lines.last?.contains("  \(other)  別の") == true, "\(width): \(screen)")
      }

      try await terminal.send("q")
      let left = try await terminal.ends()
      #expect(left.code == 0, "\(left)")
      #expect(left.isGivenBack, "\(left)")
      #expect(left.lines.allSatisfy { $0.isEmpty }, "\(left)")
      #expect(left.unknown.isEmpty)
      #expect(try await place.object("status", id, "--offline")["status"] as? String == "running")
    }
  }

  @Test("signals end the live table, and the terminal is as it was", arguments: [SIGINT, SIGTERM])
  func signals(_ signal: Int32) async throws {
    try await Workplace.run { place in
      let terminal = try place.terminal("watch")
      let screen = try await terminal.shows("No open jobs. Start one: cloudjobs run FOLDER")
      #expect(!screen.isGivenBack)
      try await terminal.signal(signal)
      let ended = try await terminal.ends()
      #expect(ended.code == 0, "\(ended)")
      #expect(ended.isGivenBack, "\(ended)")
    }
  }

  @Test("so does Ctrl-C")
  func interrupt() async throws {
    try await Workplace.run { place in
      let terminal = try place.terminal("watch")
      try await terminal.shows("No open jobs")
      try await terminal.send("\u{3}")
      let ended = try await terminal.ends()
      #expect(ended.code == 0, "\(ended)")
      #expect(ended.isGivenBack, "\(ended)")
    }
  }

  @Test("what kill -9 leaves behind is seen, so that the tests above can fail")
  func killed() async throws {
    try await Workplace.run { place in
      let terminal = try place.terminal("watch")
      try await terminal.shows("No open jobs")
      try await terminal.signal(SIGKILL)
      let ended = try await terminal.ends()
      #expect(ended.code == 137, "\(ended)")
      #expect(ended.alternate && !ended.cursor && !ended.echo && !ended.cooked && !ended.restored, "\(ended)")
    }
  }

  // MARK: Questions

  @Test("terminate asks, and every answer but yes changes nothing", arguments: ["n\r", "\r", "\u{4}"])
  func no(_ answer: String) async throws {
    try await Workplace.run { place in
      try place.calculation("endless", Self.endless)
      let id = try await place.job("endless")
      let terminal = try place.terminal("terminate", id)
      try await terminal.shows("Job \(id): ", "Are you sure you want to terminate this job? (y/N):")
      try await terminal.send(answer)
      let ended = try await terminal.ends()
      #expect(ended.code == 0, "\(ended)")
      #expect(ended.lines.contains { $0.hasSuffix("Nothing was terminated.") }, "\(ended)")
      let job = try await place.object("status", id)
      #expect(job["termination"] is NSNull)
      #expect(job["open"] as? Bool == true)
    }
  }

  @Test("terminate asks, and y ends the job")
  func yes() async throws {
    try await Workplace.run { place in
      try place.calculation("endless", Self.endless)
      let id = try await place.job("endless")
      let terminal = try place.terminal("terminate", id)
      try await terminal.shows("(y/N):")
      try await terminal.send("y\r")
      let ended = try await terminal.ends()
      #expect(ended.code == 0, "\(ended)")
      let lines = ended.lines.filter { !$0.isEmpty }
      #expect(lines.first == "Job \(id): launched" || lines.first == "Job \(id): running", "\(ended)")
      #expect(
        lines.dropFirst() == [
          "Provider: local", "Instance: local in localhost", "Instance ID: local-\(id)-1",
          "Estimated cost so far: $1.5000", "Are you sure you want to terminate this job? (y/N): y",
          "Terminating local instance...", "✓ Instance termination initiated", "✓ Instance is gone",
          "Job \(id) marked as terminated in database",
        ], "\(ended)")
      #expect(try await place.object("status", id)["status"] as? String == "terminated")
      terminal.close()
      try await eventually("nothing is left") { place.strays().isEmpty }
    }
  }

  @Test("terminate does not ask when only its output is a terminal")
  func nobodyToAsk() async throws {
    try await Workplace.run { place in
      try place.calculation("endless", Self.endless)
      let id = try await place.job("endless")
      let terminal = try place.terminal(
        command: ["sh", "-c", #"exec "$0" terminate "$1" </dev/null"#, Workplace.executable, id])
      let ended = try await terminal.ends()
      #expect(ended.code == 64, "\(ended)")
      #expect(ended.lines.contains { $0.contains("Add --force") }, "\(ended)")
      #expect(!ended.lines.contains { $0.contains("y/N") }, "\(ended)")
      #expect(try await place.object("status", id)["termination"] is NSNull)
    }
  }

  // MARK: Colours

  @Test("colours are for terminals, unless NO_COLOR is set")
  func colours() async throws {
    try await Workplace.run { place in
      try place.calculation("endless", Self.endless)
      let id = try await place.job("endless")
      let painted = try await place.terminal("list", width: 130).ends()
      let row = try #require(painted.lines.firstIndex { $0.hasPrefix(id) }, "\(painted)")
      #expect(painted.painted == [row])
      let plain = try await place.terminal("list", width: 130, environment: ["NO_COLOR": "1"]).ends()
      #expect(plain.lines.contains { $0.hasPrefix(id) }, "\(plain)")
      #expect(plain.painted.isEmpty && plain.escapes == 0, "\(plain)")
      let piped = try await place.cloudjobs("list", environment: ["TERM": "xterm-256color"])
      #expect(piped.output.contains(id) && !piped.output.contains("\u{1B}"), "\(piped)")
    }
  }

  // MARK: Completion

  @Test("bash completes states, and ids of jobs in the database")
  func completion() async throws {
    try await Workplace.run { place in
      try place.calculation("short", "true")
      let first = try await place.job("short", "--wait")
      let second = try await place.job("short", "--wait")
      let script = try await place.cloudjobs("--generate-completion-script", "bash")
      #expect(script.code == 0, "\(script)")
      // The prompt here, because the system's own file sets another one.
      try place.write("completion.bash", script.output + "PS1='ready> '\n")
      let folder = (Workplace.executable as NSString).deletingLastPathComponent
      let shell = try place.terminal(
        command: ["bash", "--noprofile", "--rcfile", place.path("completion.bash"), "-i"],
        environment: ["PATH": folder + ":" + Workplace.searchPath])
      try await shell.shows("ready>")
      try await shell.send("cloudjobs list --status \t\t")
      try await shell.shows("completed", "failed", "launched", "launching", "running", "terminated")
      try await shell.send("te\t")
      try await shell.shows("ready> cloudjobs list --status terminated")
      // Ctrl-U takes the line back.
      try await shell.send("\u{15}cloudjobs status \t\t")
      try await shell.shows(first, second)
      try await shell.send("\(first.prefix(6))\t")
      try await shell.shows("ready> cloudjobs status \(first)")
    }
  }

  @Test("Ctrl-Z gives the terminal back, and the table comes again with the program")
  func suspend() async throws {
    try await Workplace.run { place in
      let terminal = try place.terminal("watch")
      try await terminal.draws(1)
      try await terminal.send("\u{1A}")
      let stopped = try await terminal.stops()
      #expect(stopped.isGivenBack, "\(stopped)")
      try await terminal.signal(SIGCONT)
      let again = try await terminal.draws(2)
      #expect(again.alternate && !again.cursor, "\(again)")
      try await terminal.send("q")
      let ended = try await terminal.ends()
      #expect(ended.code == 0 && ended.isGivenBack, "\(ended)")
    }
  }

  @Test("A window that is closed ends the watcher, and the lease is free")
  func hangUp() async throws {
    try await Workplace.run { place in
      let terminal = try place.terminal("watch")
      try await terminal.draws(1)
      terminal.close()
      try await eventually("the lease is free") {
        try await place.cloudjobs("watch", "--once").code == 0
      }
    }
  }

  @Test("A terminal that knows no escape sequences gets log lines", arguments: ["dumb", ""])
  func plain(_ term: String) async throws {
    try await Workplace.run { place in
      let terminal = try place.terminal("watch", environment: ["TERM": term])
      try await terminal.shows("Watching")
      try await terminal.signal(SIGTERM)
      let ended = try await terminal.ends()
      #expect(ended.code == 0 && ended.escapes == 0, "\(ended)")
    }
  }

  @Test("The question is asked on the terminal also when the output goes elsewhere")
  func questionBesideAPipe() async throws {
    try await Workplace.run { place in
      try place.calculation("endless", "while :; do sleep 0.2; done")
      let id = try await place.job("endless")
      let terminal = try place.terminal(
        command: ["/bin/sh", "-c", "\(Workplace.executable) terminate \(id) | cat >answer"])
      try await terminal.shows("(y/N)")
      try await terminal.send("n\r")
      let ended = try await terminal.ends()
      #expect(ended.code == 0, "\(ended)")
      #expect(try await place.object("status", id)["termination"] is NSNull)
    }
  }
}
