internal import Foundation
internal import Synchronization

/// A program that runs, with what it has said so far. What it writes goes into files, so that it never waits for a reader.
package final class RunningProgram: Sendable {
  package let command: String
  package let processID: Int32
  private let files: String
  private let process: Mutex<Process>

  init(
    path: String, arguments: [String], folder: String, environment: [String: String], input: String?, files: String
  ) throws {
    command = ([(path as NSString).lastPathComponent] + arguments).joined(separator: " ")
    self.files = files
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.environment = environment
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    process.standardInput = FileHandle.nullDevice
    // The program has its own copies. Foundation keeps these for as long as the process object lives, which is longer than
    // anybody expects, and crashes at the next start when there are 1,365 files: it then reads beyond a full buffer of
    // /proc/self/fd.
    var handles: [FileHandle] = []
    defer { for handle in handles { try? handle.close() } }  // nothing is buffered
    if let input {
      try Data(input.utf8).write(to: URL(fileURLWithPath: files + ".in"))
      let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: files + ".in"))
      handles.append(handle)
      process.standardInput = handle
    }
    for name in [files + ".out", files + ".err"] { try Data().write(to: URL(fileURLWithPath: name)) }
    let (output, errors) = (
      try FileHandle(forWritingTo: URL(fileURLWithPath: files + ".out")),
      try FileHandle(forWritingTo: URL(fileURLWithPath: files + ".err"))
    )
    handles += [output, errors]
    (process.standardOutput, process.standardError) = (output, errors)
    try process.run()
    processID = process.processIdentifier
    self.process = Mutex(process)
  }

  package var output: String { text(".out") }
  package var errors: String { text(".err") }

  private func text(_ ending: String) -> String {
    String(decoding: FileManager.default.contents(atPath: files + ending) ?? Data(), as: UTF8.self)
  }

  package var isRunning: Bool { process.withLock { $0.isRunning } }

  /// Adds to the `input` that the program was started with. Only for one that looks again at its end.
  func say(_ text: String) throws {
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: files + ".in"))
    defer { try? file.close() }  // nothing is buffered
    _ = try file.seekToEnd()
    try file.write(contentsOf: Data(text.utf8))
  }

  /// Sends a signal, unless the program has ended.
  package func signal(_ number: Int32) {
    process.withLock { process in
      if process.isRunning { kill(process.processIdentifier, number) }
    }
  }

  /// Waits for the end. Whoever is late is killed, and that is an error.
  package func outcome(within deadline: Duration = .seconds(60)) async throws -> Workplace.Outcome {
    let end = ContinuousClock.now + deadline
    while isRunning {
      guard ContinuousClock.now < end else {
        signal(SIGKILL)
        throw Workplace.Failure(
          description: "\(command) has not ended in \(deadline)\nstdout: \(output)\nstderr: \(errors)")
      }
      try await Task.sleep(for: .milliseconds(10))
    }
    let code = process.withLock { process in
      process.terminationStatus + (process.terminationReason == .uncaughtSignal ? 128 : 0)
    }
    return Workplace.Outcome(command: command, code: code, output: output, errors: errors)
  }
}
