package import Foundation
import Synchronization

/// A real server on loopback: a Python program of `Servers/` as a child process.
///
/// It says its port on standard output, records what it sees in a file, and ends when `stop()` is called, when this
/// object goes away, or when the test process does, since it watches its standard input.
package final class LoopbackServer: Sendable {
  package struct Failure: Error, CustomStringConvertible {
    package var description: String
  }

  package let port: Int
  /// What the server has recorded, one JSON document a line.
  package let recordPath: String
  private let process: Mutex<Process>
  private let exit: ProcessExit
  /// Held so that the child's standard input stays open.
  private let lifeline: Pipe

  private init(port: Int, recordPath: String, process: sending Process, exit: ProcessExit, lifeline: Pipe) {
    self.port = port
    self.recordPath = recordPath
    self.process = Mutex(process)
    self.exit = exit
    self.lifeline = lifeline
  }

  deinit { end() }

  /// Starts `Servers/<script>.py` and returns when it listens.
  package static func start(_ script: String, _ arguments: [String] = []) async throws -> LoopbackServer {
    let record = FileManager.default.temporaryDirectory
      .appendingPathComponent("cloudjobs-\(script)-\(UUID().uuidString).jsonl").path
    let process = Process()
    process.executableURL = URL(fileURLWithPath: python)
    process.arguments = ["-u", Self.script(script), "--record", record] + arguments
    let lifeline = Pipe()
    let output = Pipe()
    process.standardInput = lifeline
    process.standardOutput = output
    let exit = ProcessExit()
    process.terminationHandler = { _ in exit.note() }
    try process.run()
    let port: Int
    do {
      port = try await Self.port(from: output, of: script)
    } catch {
      process.terminate()
      throw error
    }
    return LoopbackServer(port: port, recordPath: record, process: process, exit: exit, lifeline: lifeline)
  }

  /// Starts a server, gives it to `body`, and stops it whatever happens.
  package static func run<Result>(
    _ script: String, _ arguments: [String] = [], _ body: (LoopbackServer) async throws -> Result
  ) async throws -> Result {
    let server = try await start(script, arguments)
    do {
      let result = try await body(server)
      await server.stop()
      return result
    } catch {
      await server.stop()
      throw error
    }
  }

  /// Says a line to a server that takes orders on its standard input.
  package func say(_ line: String) throws {
    try lifeline.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8))
  }

  /// Closes its standard input, which asks it to end.
  package func hangUp() { try? lifeline.fileHandleForWriting.close() }  // closed already is as good

  package var isRunning: Bool { process.withLock { $0.isRunning } }

  /// Kills the server and returns when it has ended. May be called twice.
  package func stop() async {
    end()
    await exit.wait()
  }

  private func end() {
    process.withLock { process in
      if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }
    try? FileManager.default.removeItem(atPath: recordPath)  // a left-over in the temporary directory is no failure
  }

  /// `http://127.0.0.1:PORT` and `path`.
  package func url(_ path: String, scheme: String = "http", host: String = "127.0.0.1") -> String {
    "\(scheme)://\(host):\(port)\(path)"
  }

  /// Everything recorded so far, oldest first.
  package func records() throws -> [[String: Any]] {
    guard let text = FileManager.default.contents(atPath: recordPath) else { return [] }
    return try text.split(separator: UInt8(ascii: "\n")).compactMap {
      try JSONSerialization.jsonObject(with: Data($0)) as? [String: Any]
    }
  }

  // MARK: - Finding things

  /// The package's top directory.
  package static let packageRoot = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// A program of `Servers/`.
  static func script(_ name: String) -> String {
    packageRoot.appendingPathComponent("Sources/TestSupport/Servers/\(name).py").path
  }

  /// `CLOUDJOBS_TEST_PYTHON`, else the package's `.venv`, else the system's.
  package static let python: String = {
    if let path = ProcessInfo.processInfo.environment["CLOUDJOBS_TEST_PYTHON"], !path.isEmpty { return path }
    let venv = packageRoot.appendingPathComponent(".venv/bin/python3").path
    return FileManager.default.isExecutableFile(atPath: venv) ? venv : "/usr/bin/python3"
  }()

  /// Reads `PORT n` without blocking a thread of the pool.
  private static func port(from output: Pipe, of script: String) async throws -> Int {
    let line = await withCheckedContinuation { (continuation: CheckedContinuation<String, Never>) in
      let thread = Thread {
        var bytes = Data()
        while !bytes.contains(UInt8(ascii: "\n")) {
          let piece = output.fileHandleForReading.nextPiece()
          if piece.isEmpty { break }
          bytes.append(piece)
        }
        continuation.resume(returning: String(decoding: bytes, as: UTF8.self))
      }
      thread.start()
    }
    guard line.hasPrefix("PORT "), let port = Int(line.dropFirst(5).trimmingCharacters(in: .whitespacesAndNewlines))
    else {
      throw Failure(
        description: "\(script).py did not start with \(python); is `pip install -r Tests/requirements.txt` done?")
    }
    return port
  }
}
