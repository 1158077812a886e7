import Foundation
import ProviderKit
import ResultSync
import Testing

@Suite("Manifests and verdicts")
struct ManifestTests {
  private func manifest(_ files: [Manifest.File], seq: Int = 1) throws -> Data {
    let list = try String(decoding: JSONEncoder().encode(files), as: UTF8.self)
    return Data(
      """
      {"version":1,"job":"a1b2c3d4","attempt":1,"seq":\(seq),"startedAt":1,"finishedAt":2,"final":false,"excludedCount":0,
      "excluded":[],"unreadable":[],"packed":[],"files":\(list)}
      """.utf8)
  }

  private let one = Manifest.File(path: "one", size: 3, md5: "aa")
  private let two = Manifest.File(path: "sub/two", size: 4, md5: "bb")

  @Test("Of two manifests the newer whole one holds, whichever place it has")
  func latest() throws {
    let (old, new) = (try manifest([one], seq: 8), try manifest([one, two], seq: 9))
    for documents in [[old, new], [new, old], [old, new, Data("{".utf8)]] {
      #expect(Manifest.latest(documents)?.seq == 9)
    }
    // One that was cut off while it was written is none.
    #expect(Manifest.latest([old, new.prefix(new.count - 2)])?.seq == 8)
    #expect(Manifest.latest([]) == nil)
  }

  @Test("Results are whole in their places or beside them; missing, different, doubled and unknown files are named")
  func verdicts() throws {
    let document = try manifest([one, two])
    let manifest = try #require(Manifest.latest([document]))
    func listed(_ path: String, _ size: Int64, _ md5: String) -> Verdict.Listed {
      .init(path: path, size: size, md5: md5)
    }
    let whole = Verdict(
      manifest, [listed("one", 3, "aa"), listed("sub/two", 4, "bb"), listed("_cs/manifest.1.json", 9, "x")])
    #expect(whole.isWhole && whole.whole == 2 && whole.unlisted.isEmpty)
    let kept = Verdict(manifest, [listed("one", 5, "cc"), listed("_cs/kept/one", 3, "aa"), listed("sub/two", 4, "bb")])
    #expect(kept.isWhole && kept.kept == ["one"])
    let damaged = Verdict(manifest, [listed("one", 3, "zz"), listed("old", 1, "q")])
    #expect(damaged.damaged == ["one", "sub/two"] && damaged.unlisted == ["old"])
    let doubled = Verdict(manifest, [listed("one", 3, "aa"), listed("one", 3, "aa"), listed("sub/two", 4, "")])
    #expect(doubled.isWhole && doubled.doubled == ["one"])
  }

  @Test("What rclone and the script say becomes events; anything else is passed over")
  func events() {
    #expect(SyncEvent(line: "not json") == nil)
    #expect(SyncEvent(line: #"{"level":"info","msg":"x"}"#) == nil)
    #expect(SyncEvent(line: #"{"ev":"joined"}"#) == .joined)
    #expect(
      SyncEvent(line: #"{"ev":"plan","files":3,"bytes":14,"excluded":6,"unreadable":0}"#)
        == .plan(files: 3, bytes: 14, excluded: 6, unreadable: 0))
    #expect(SyncEvent(line: #"{"ev":"exit","rc":75,"result":"x"}"#) == .exit(code: 75, reason: nil))
    #expect(
      SyncEvent(line: #"{"level":"notice","skipped":"copy","object":"a.txt","size":6}"#)
        == .wouldCopy(path: "a.txt", bytes: 6))
    #expect(
      SyncEvent(line: #"{"stats":{"bytes":1,"totalBytes":4,"transfers":0,"totalTransfers":2,"speed":2.5,"eta":null}}"#)
        == .progress(.init(bytes: 1, total: 4, files: 0, totalFiles: 2, speed: 2.5)))
  }

  @Test("Progress never goes backwards, and 100 % is never said before the end")
  func progress() {
    var progress = SyncProgress()
    var last = 0
    for (bytes, total) in [(0, 100), (50, 100), (100, 100), (100, 200), (20, 200), (200, 200)] as [(Int64, Int64)] {
      progress.take(.init(bytes: bytes, total: total, files: 0, totalFiles: 1, speed: 10))
      #expect(progress.percent >= last && progress.percent < 100)
      last = progress.percent
      for width in [0, 5, 20, 40, 79, 200] { #expect(progress.bar(width: width).count <= width) }
    }
    #expect(progress.percent == 99)
    #expect(progress.bar(width: 79).contains("finishing"))
    progress = SyncProgress()
    progress.take(.init(bytes: 12_300_000, total: 29_000_000, files: 3, totalFiles: 9, speed: 3_100_000))
    #expect(
      progress.bar(width: 100)
        == "[############..................]  42 %  12.3 MB of 29.0 MB  3.1 MB/s  6s left  3 of 9 files")
  }

  @Test(
    "Bytes for people",
    arguments: [
      (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_951, "1.0 MB"), (29_000_000, "29.0 MB"),
    ] as [(Int64, String)])
  func bytes(_ number: Int64, _ text: String) { #expect(ByteText.short(number) == text) }
}
