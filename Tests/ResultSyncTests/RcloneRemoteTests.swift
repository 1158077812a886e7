import Foundation
import JobModel
import ProviderKit
import Testing

@testable import ResultSync

@Suite("What doctor knows of rclone's remotes")
struct RcloneRemoteTests {
  @Test("rclone's own dump is read without its secrets")
  func dump() throws {
    let text = """
      {"gdrive": {"type": "drive", "client_id": "c.apps", "client_secret": "GOCSPX-secret", "scope": "drive.file",
                  "token": "{\\"access_token\\":\\"ya29.secret\\"}"},
       "lab": {"type": "drive", "service_account_file": "/k.json", "team_drive": ""},
       "disk": {"type": "local"}}
      """
    let remotes = try #require(RcloneRemote.all(Array(text.utf8)))
    #expect(remotes.map(\.name) == ["disk", "gdrive", "lab"])
    #expect(
      remotes[1] == RcloneRemote(name: "gdrive", type: "drive", hasClientID: true, hasToken: true, scope: "drive.file"))
    #expect(!"\(remotes)".contains("secret"))
    #expect(remotes[0].concerns.isEmpty && remotes[1].concerns.isEmpty)
    #expect(RcloneRemote.all(Array("no".utf8)) == nil)
  }

  @Test(
    "What is wrong with a Google Drive remote is said with its remedy",
    arguments: [
      (RcloneRemote(name: "g", type: "drive", hasClientID: true, hasToken: true, scope: "drive"), ["whole Drive"], 0),
      (RcloneRemote(name: "g", type: "drive", hasClientID: true, hasToken: true), ["whole Drive"], 0),
      (RcloneRemote(name: "g", type: "drive", hasToken: true, scope: "drive.file"), ["shared client id"], 1),
      (RcloneRemote(name: "g", type: "drive", hasClientID: true, scope: "drive.file"), ["no token"], 1),
      (RcloneRemote(name: "g", type: "drive", scope: "drive.file", hasServiceAccount: true), ["no storage"], 1),
      (
        RcloneRemote(name: "g", type: "drive", scope: "drive.file", hasServiceAccount: true, hasSharedDrive: true), [],
        0
      ),
      (RcloneRemote(name: "g", type: "drive", scope: "drive.file", hasServiceAccount: true, impersonates: true), [], 0),
      (RcloneRemote(name: "g", type: "s3"), [], 0),
    ])
  func concerns(remote: RcloneRemote, words: [String], grave: Int) {
    let concerns = remote.concerns
    #expect(concerns.count == words.count)
    #expect(zip(concerns, words).allSatisfy { $0.message.contains($1) && !$0.remedy.isEmpty })
    #expect(concerns.count { $0.isGrave } == grave)
  }

  @Test(
    "Versions",
    arguments: [
      ("rclone v1.60.1-DEV", "1.60"), ("rclone v1.75.2", "1.75"), ("rclone v2.0.0", "2.0"), ("rclone", nil),
      ("rclone vx.y", nil), ("", nil),
    ])
  func versions(line: String, version: String?) {
    #expect(RcloneVersion(line)?.description == version)
    if let known = RcloneVersion(line) { #expect(known >= .oldest) }
  }

  @Test(
    "rclone's words are read as sync.sh reads them",
    arguments: [
      (#"couldn't fetch token: invalid_grant: Token has been expired or revoked."#, SyncTrouble.revoked),
      ("googleapi: Error 403: The user's Drive storage quota has been exceeded., storageQuotaExceeded", .quota),
      ("Error 403: User Rate Limit Exceeded, userRateLimitExceeded", .rateLimit),
      ("dial tcp: lookup www.googleapis.com: no such host", .network),
      ("didn't find section in config file", .configuration), ("directory not found", .notFound), ("hm", .other),
    ])
  func words(said: String, trouble: SyncTrouble) { #expect(SyncTrouble(said: said) == trouble) }
}

@Suite("The words for ssh")
struct SSHCommandTests {
  private func command(
    _ edit: (inout SSHPlace, inout SSHSettings) -> Void = { _, _ in }
  ) -> SSHCommand {
    var place = SSHPlace(alias: "a1b2c3d4-1", host: "10.0.0.7", directory: "/i")
    var settings = SSHSettings(runtimeFolder: "/tmp/cj", stateFolder: "/s")
    edit(&place, &settings)
    return SSHCommand(place: place, settings: settings, knownHosts: "/s/a1b2c3d4-1")
  }

  @Test("One fixed command, nothing of the user's agent or files forwarded, the key's name the token")
  func arguments() {
    let words = command().arguments
    #expect(words.suffix(3) == ["--", "10.0.0.7", "exec /bin/sh -s"])
    for option in [
      "BatchMode=yes", "HostKeyAlias=a1b2c3d4-1", "StrictHostKeyChecking=yes", "UserKnownHostsFile=/s/a1b2c3d4-1",
      "GlobalKnownHostsFile=none", "ForwardAgent=no", "ClearAllForwardings=yes", "ControlMaster=auto",
      "ControlPath=/tmp/cj/%C", "RemoteCommand=none", "RequestTTY=no",
    ] { #expect(words.contains(option), "\(option)") }
    #expect(!words.contains("-i") && !words.contains("-p") && !words.contains("-l") && !words.contains("-F"))
    let full = command { place, settings in
      (place.port, place.user) = (2222, "ubuntu")
      (settings.identityFile, settings.configFile) = ("/k", "/c")
      settings.hostKeys = .acceptNew
    }.arguments
    #expect(full.starts(with: ["-F", "/c"]))
    for pair in [["-i", "/k"], ["-p", "2222"], ["-l", "ubuntu"], ["-o", "StrictHostKeyChecking=accept-new"]] {
      #expect(zip(full, full.dropFirst()).contains { [$0, $1] == pair }, "\(pair)")
    }
    #expect(command { place, _ in place.elevated = true }.arguments.last == "exec sudo -n /bin/sh -s")
    // Trust on first use is for those who have published nothing.
    let pinned = command { place, settings in
      place.hostKey = HostKey("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO4kOiOBYEMSd1VW0ciKRHYYzPLUdC2HTjwlzJi9ysz2")
      settings.hostKeys = .acceptNew
    }
    #expect(pinned.arguments.contains("StrictHostKeyChecking=yes"))
    #expect(pinned.knownHostsLine?.hasPrefix("a1b2c3d4-1 ssh-ed25519 AAAA") == true)
  }

  @Test(
    "What could be taken for an option, or is no address, is not given to ssh",
    arguments: [
      ("-oProxyCommand=x", nil as String?, nil as Int?), ("", nil, nil), ("a b", nil, nil), ("a\nb", nil, nil),
      ("h", "-x", nil), ("h", "a b", nil), ("h", nil, 0), ("h", nil, 70_000), ("$(x)", nil, nil),
    ])
  func refused(host: String, user: String?, port: Int?) {
    let command = command { place, _ in (place.host, place.user, place.port) = (host, user, port) }
    #expect(!command.isValid)
    #expect(self.command { place, _ in (place.host, place.user, place.port) = ("fe80::1%eth0", "me", 22) }.isValid)
  }
}
