import Foundation
import TestSupport

/// Programs in Python that ask botocore, AWS's own library, what it would do.
enum Botocore {
  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  /// What `botocore/NAME.py` prints.
  static func run(_ name: String, _ arguments: [String], environment: [String: String] = [:]) async throws -> Data {
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("botocore/\(name).py").path
    let python = LoopbackServer.python
    return try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Data, any Error>) in
      // A thread of its own, since it waits for the program.
      Thread {
        continuation.resume(
          with: Result {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: python)
            process.arguments = [script] + arguments
            process.environment = ["PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"].merging(environment) { $1 }
            let output = Pipe()
            process.standardOutput = output
            try process.run()
            let bytes = output.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            guard process.terminationStatus == 0 else {
              throw Failure(
                description: "\(name).py failed with \(python); is `Scripts/setup --test` done?")
            }
            return bytes
          })
      }.start()
    }
  }
}
