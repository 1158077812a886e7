internal import Foundation

/// Postfix on loopback (`Servers/postfix.py`), for those who may start one.
package enum LoopbackPostfix {
  /// Root, with Postfix and Cyrus SASL installed.
  package static let isAvailable =
    geteuid() == 0 && FileManager.default.isExecutableFile(atPath: "/usr/lib/postfix/sbin/master")
    && FileManager.default.isExecutableFile(atPath: "/usr/sbin/saslpasswd2")

  /// Starts one, gives it to `body`, and ends it with its daemons and its folder.
  package static func run<Result>(
    _ arguments: [String] = [], _ body: (LoopbackServer) async throws -> Result
  ) async throws -> Result {
    let server = try await LoopbackServer.start("postfix", arguments)
    do {
      let result = try await body(server)
      await end(server)
      return result
    } catch {
      await end(server)
      throw error
    }
  }

  /// Closes its standard input, at which it takes its folder away; only then it is killed.
  private static func end(_ server: LoopbackServer) async {
    server.hangUp()
    // One that does not heed that is killed.
    try? await eventually("Postfix has ended", deadline: .seconds(10)) { !server.isRunning }
    await server.stop()
  }
}
