import Foundation

/// A certificate authority and a server certificate for 127.0.0.1 (and no other name), made by the `openssl` program.
package struct TestCertificates: Sendable {
  package let directory: String
  package var authority: String { directory + "/ca.pem" }
  package var certificate: String { directory + "/server.pem" }
  package var key: String { directory + "/server.key" }

  /// `--cert FILE --key FILE` for a server of `Servers/`.
  package var arguments: [String] { ["--cert", certificate, "--key", key] }

  /// Made once for the whole test process.
  package static let shared = Result { try TestCertificates() }

  private init() throws {
    directory = FileManager.default.temporaryDirectory.appendingPathComponent("cloudjobs-tls-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    let names = "subjectAltName=IP:127.0.0.1"
    try names.write(toFile: directory + "/names", atomically: true, encoding: .utf8)
    let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    try openssl(
      ["req", "-x509"] + newKey + [
        "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test authority", "-addext",
        "keyUsage=critical,keyCertSign",
      ])
    try openssl(
      ["req", "-new"] + newKey + ["-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=Test server"])
    try openssl([
      "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.pem",
      "-days", "2", "-extfile", "names",
    ])
  }

  private func openssl(_ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["openssl"] + arguments
    process.currentDirectoryURL = URL(fileURLWithPath: directory)
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw LoopbackServer.Failure(description: "openssl \(arguments[0]) failed; is openssl installed?")
    }
  }
}
