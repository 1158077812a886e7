import Foundation
import JobModel
import ProviderKit
import Synchronization
import TestSupport
import Testing
import Transport

@testable import AWSProvider

@Suite("Staging into a real S3 server", .enabled(if: LoopbackS3.isInstalled))
struct StagingTests {
  private let job: JobID

  init() throws { job = try #require(JobID("a1b2c3d4")) }
  private static let mebibyte = 1024 * 1024

  private func staging(_ ground: S3Ground, width: Int = 4) -> Staging {
    Staging(ground.client, bucket: ground.bucket, width: width)
  }

  private func manifest(_ ground: S3Ground) async throws -> InputManifest? {
    guard let found = try await ground.client.get(ground.bucket, "a1b2c3d4/input.json", limit: 1 << 20) else {
      return nil
    }
    return try JSONDecoder().decode(InputManifest.self, from: Data(found.bytes))
  }

  /// What lies there is what the folder holds, byte for byte.
  private func expectSame(_ ground: S3Ground, _ names: [String]) async throws {
    for name in names {
      let target = ground.folder + "/../got"
      try await ground.client.download(ground.bucket, "a1b2c3d4/input/" + name, to: target)
      #expect(FileManager.default.contentsEqual(atPath: target, andPath: ground.folder + "/" + name), "\(name)")
    }
  }

  @Test("a folder comes as it is")
  func whole() async throws {
    try await S3Ground.run { ground async throws in
      try ground.file("run.sh", Data("#!/bin/sh\n".utf8))
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: ground.folder + "/run.sh")
      try ground.file("sub/a b+é", S3Ground.noise(100_000))
      try ground.file("zero", Data())
      try ground.file("big", S3Ground.noise(17 * Self.mebibyte))
      try ground.file("left.tmp", Data([1]))
      try FileManager.default.createDirectory(atPath: ground.folder + "/empty", withIntermediateDirectories: false)
      try FileManager.default.createSymbolicLink(atPath: ground.folder + "/sub/link", withDestinationPath: "../run.sh")
      #expect(mkfifo(ground.folder + "/pipe", 0o600) == 0)
      let seen = Mutex<[StagingProgress]>([])
      let staged = try await staging(ground).stage(job, folder: ground.folder, options: .init(exclude: ["*.tmp"])) {
        step in
        seen.withLock { $0.append(step) }
      }
      let names = ["big", "run.sh", "sub/a b+é", "zero"]
      let total = Int64(100_010 + 17 * Self.mebibyte)
      #expect(staged.count == FileCount(files: 4, bytes: total))
      #expect(staged.sent == staged.count)
      #expect(staged.notices == ["pipe is a named pipe and was left out"])
      try await expectSame(ground, names)
      let manifest = try #require(try await manifest(ground))
      #expect(manifest == staged.manifest)
      #expect(manifest.entries.map(\.path) == ["big", "empty", "run.sh", "sub/a b+é", "sub/link", "zero"])
      #expect(manifest.entries[2].mode == 0o755)
      #expect(manifest.entries[2].sha256 == SHA256Digest(of: "#!/bin/sh\n").hex)
      #expect(manifest.entries[0].sha256 == SHA256Digest(of: Array(S3Ground.noise(17 * Self.mebibyte))).hex)
      #expect(manifest.entries[4].target == "../run.sh")
      #expect(manifest.entries[1].isFolder == true)
      let last = try #require(seen.withLock { $0.last })
      #expect(last.files == 4)
      #expect(last.bytes == total)
      #expect(last.totalBytes == total)
    }
  }

  @Test("what lies there already is not sent again, and what changed is")
  func again() async throws {
    try await S3Ground.run { ground async throws in
      try ground.file("a", S3Ground.noise(1000))
      try ground.file("b", S3Ground.noise(1000, seed: 2))
      try ground.file("big", S3Ground.noise(18 * Self.mebibyte))
      #expect(try await staging(ground).stage(job, folder: ground.folder).sent.files == 3)
      let second = try await staging(ground).stage(job, folder: ground.folder)
      #expect(second.sent == FileCount(files: 0, bytes: 0))
      #expect(second.count.files == 3)
      // The same size, another content.
      try ground.file("b", S3Ground.noise(1000, seed: 3))
      let third = try await staging(ground).stage(job, folder: ground.folder)
      #expect(third.sent == FileCount(files: 1, bytes: 1000))
      try await expectSame(ground, ["a", "b", "big"])
      #expect(third.manifest.entries[1].sha256 == SHA256Digest(of: Array(S3Ground.noise(1000, seed: 3))).hex)
    }
  }

  /// An upload of which some parts were sent, as an interrupted staging leaves it.
  private func begin(_ ground: S3Ground, _ content: Data, parts: ClosedRange<Int>) async throws -> S3Upload {
    let upload = try await ground.client.createUpload(ground.bucket, "a1b2c3d4/input/big")
    let plan = PartPlan(size: Int64(content.count))
    for number in parts {
      let (offset, length) = plan.part(number)
      let piece = Array(content[Int(offset)..<Int(offset + length)])
      _ = try await ground.client.uploadPart(ground.bucket, upload, number: number, .bytes(piece))
    }
    return upload
  }

  @Test("an interrupted upload goes on where it was")
  func resume() async throws {
    try await S3Ground.run { ground async throws in
      let content = S3Ground.noise(40 * Self.mebibyte + 5)
      try ground.file("big", content)
      _ = try await begin(ground, content, parts: 2...4)
      let staged = try await staging(ground).stage(job, folder: ground.folder)
      // Of five parts of 8 MiB and one of 5 bytes, three were there.
      #expect(staged.sent.bytes == Int64(16 * Self.mebibyte + 5))
      try await expectSame(ground, ["big"])
      #expect(try await ground.client.listUploads(ground.bucket, prefix: "").isEmpty)
    }
  }

  @Test("an interrupted upload of a file that changed since begins anew")
  func changedSince() async throws {
    try await S3Ground.run { ground async throws in
      var content = S3Ground.noise(24 * Self.mebibyte)
      _ = try await begin(ground, content, parts: 1...2)
      content[9 * Self.mebibyte] ^= 1
      try ground.file("big", content)
      let staged = try await staging(ground).stage(job, folder: ground.folder)
      #expect(staged.sent.bytes == Int64(24 * Self.mebibyte))
      #expect(staged.count.bytes == Int64(24 * Self.mebibyte))
      try await expectSame(ground, ["big"])
      #expect(try await ground.client.listUploads(ground.bucket, prefix: "").isEmpty)
    }
  }

  @Test("what was begun can be thrown away, and is when its file is gone")
  func abort() async throws {
    try await S3Ground.run { ground async throws in
      let content = S3Ground.noise(17 * Self.mebibyte)
      _ = try await begin(ground, content, parts: 1...1)
      try await staging(ground).abortIncomplete(job)
      #expect(try await ground.client.listUploads(ground.bucket, prefix: "").isEmpty)
      _ = try await begin(ground, content, parts: 1...1)
      try ground.file("other", Data([1]))
      _ = try await staging(ground).stage(job, folder: ground.folder)
      #expect(try await ground.client.listUploads(ground.bucket, prefix: "").isEmpty)
    }
  }

  @Test(
    "cancelled at some moment, nothing half is seen, and the next time goes on", arguments: [1, 9, 20, 33] as [Int64])
  func cancel(_ mebibytes: Int64) async throws {
    try await S3Ground.run { ground async throws in
      try ground.file("big", S3Ground.noise(40 * Self.mebibyte))
      for number in 0..<20 { try ground.file("small/\(number)", S3Ground.noise(10_000, seed: UInt64(number))) }
      let slow = Staging(ground.client, bucket: ground.bucket, width: 2)
      let (moments, moment) = AsyncStream.makeStream(of: Void.self)
      let task = Task {
        defer { moment.finish() }
        return try await slow.stage(job, folder: ground.folder) { step in
          if step.bytes >= mebibytes << 20 { moment.finish() }
        }
      }
      for await _ in moments {}
      task.cancel()
      let result = await task.result
      let sent: Int64
      switch result {
      case .success(let staged): sent = staged.sent.bytes
      case .failure(let error):
        #expect((error as? StagingError)?.code == .cancelled)
        #expect(try await manifest(ground) == nil)
        for object in try await ground.client.listAll(ground.bucket, prefix: "a1b2c3d4/") {
          #expect(object.size == (object.key.hasSuffix("big") ? 40 << 20 : 10_000))
        }
        sent = 0
      }
      let staged = try await slow.stage(job, folder: ground.folder)
      #expect(staged.sent.bytes <= Int64(40 << 20) + 200_000 - sent)
      try await expectSame(ground, ["big", "small/0", "small/19"])
      #expect(try await manifest(ground)?.entries.count == 21)
    }
  }

  @Test("a file that changes while it is staged is an error that names it", arguments: [1000, 17 * 1024 * 1024])
  func changing(_ size: Int) async throws {
    try await S3Ground.run { ground async throws in
      let path = try ground.file("moving", S3Ground.noise(size))
      let entries = try await FolderScan.run(ground.folder)
      let plan = try StagingPlan(entries.entries, root: ground.folder, physicalRoot: entries.physicalRoot, prefix: "p/")
      let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
      try handle.seekToEnd()
      try handle.write(contentsOf: Data([1]))
      try handle.close()
      let file = try #require(plan.files.last)
      let upload = FileUpload(
        file: file, key: "p/moving", bucket: ground.bucket, client: ground.client, lanes: Lanes(2),
        meter: StagingMeter(files: 1, bytes: Int64(size)), lane: 0, width: 2, existing: nil, unfinished: nil)
      let error = await #expect(throws: StagingError.self) { try await upload.run() }
      #expect(error?.code == .changed)
      #expect(error?.message.contains(path) == true)
      #expect(try await ground.client.head(ground.bucket, "p/moving") == nil)
    }
  }

  @Test("a folder that can't be read, or a name that is not UTF-8, is told by name")
  func unreadable() async throws {
    try await S3Ground.run { ground async throws in
      let none = await #expect(throws: StagingError.self) {
        try await staging(ground).stage(job, folder: ground.folder + "/none")
      }
      #expect(none?.code == .unreadable)
      let name: [CChar] = Array((ground.folder + "/x").utf8CString.dropLast()) + [CChar(bitPattern: 0xE9), 0]
      #expect(close(creat(name, 0o600)) == 0)
      let broken = await #expect(throws: StagingError.self) {
        try await staging(ground).stage(job, folder: ground.folder)
      }
      #expect(broken?.code == .name)
      #expect(broken?.message.contains("x\u{FFFD}") == true)
    }
  }

  @Test("a thousand small files, and names with line breaks")
  func many() async throws {
    try await S3Ground.run { ground async throws in
      for number in 0..<1100 { try ground.file("d\(number % 7)/f\(number)", Data("\(number)".utf8)) }
      let staged = try await staging(ground, width: 8).stage(job, folder: ground.folder)
      #expect(staged.sent.files == 1100)
      #expect(try await ground.client.listAll(ground.bucket, prefix: "a1b2c3d4/input/").count == 1100)
      let again = try await staging(ground, width: 8).stage(job, folder: ground.folder)
      #expect(again.sent.files == 0)
    }
  }
}
