internal import Foundation

/// A throw-away ssh server on loopback (`Servers/sshd.py`), which stands for an instance.
package struct LoopbackSSH: Sendable {
  package let server: LoopbackServer
  /// Holds the keys.
  package let folder: String

  package var port: Int { server.port }
  /// The private key that is let in.
  package var identityFile: String { folder + "/key" }
  package var hostKeyFile: String { folder + "/host_key.pub" }

  /// The public host key that it shows now.
  package func hostKey() throws -> String {
    try String(contentsOfFile: hostKeyFile, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// Starts one in the folder, gives it to `body`, and ends it with every connection.
  package static func run<Result>(
    in folder: String, _ body: (LoopbackSSH) async throws -> Result
  ) async throws -> Result {
    let server = try await LoopbackServer.start("sshd", ["--folder", folder])
    let ssh = LoopbackSSH(server: server, folder: folder)
    do {
      let result = try await body(ssh)
      await ssh.end()
      return result
    } catch {
      await ssh.end()
      throw error
    }
  }

  /// `freeze`, `thaw`, `drop`, `restart` or `rekey`; returns when it is done.
  package func order(_ word: String) async throws {
    let before = count()
    try server.say(word)
    try await eventually("the ssh server has obeyed \(word)") { count() > before }
  }

  private func count() -> Int {
    FileManager.default.contents(atPath: folder + "/done")?.count { $0 == UInt8(ascii: "\n") } ?? 0
  }

  /// Closes its standard input, at which it ends its connections; only then it is killed.
  private func end() async {
    server.hangUp()
    // One that does not heed that is killed.
    try? await eventually("the ssh server has ended", deadline: .seconds(5)) { !server.isRunning }
    await server.stop()
  }
}
