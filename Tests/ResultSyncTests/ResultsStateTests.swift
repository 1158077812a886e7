import JobModel
import Testing

@testable import ResultSync

@Suite("What can be said of results in one word")
struct ResultsStateTests {
  private let now = Timestamp(seconds: 1_800_000_000)

  private func manifest(minutesAgo: Int64 = 1, final: Bool = false, unreadable: [String] = []) -> Manifest {
    let at = (now - .seconds(60 * minutesAgo)).rawValue
    return Manifest(
      job: "a1b2c3d4", attempt: 1, seq: 3, startedAt: at, finishedAt: at + 2000, final: final,
      files: [.init(path: "a", size: 1, md5: "m")], excludedCount: 0, excluded: [], unreadable: unreadable, packed: [])
  }

  private func report(_ result: SyncReport.Result, minutesAgo: Int64 = 0, seq: Int? = 3) -> SyncReport {
    let at = (now - .seconds(60 * minutesAgo)).rawValue
    return SyncReport(
      job: "a1b2c3d4", attempt: 1, result: result, startedAt: at - 1000, finishedAt: at, final: false, seq: seq)
  }

  private func state(
    _ manifest: Manifest?, whole: Bool = true, unreachable: Bool = false, latest: SyncReport? = nil,
    syncing: Bool = false, running: Bool = true
  ) -> ResultsState {
    let listing = whole ? [Verdict.Listed(path: "a", size: 1, md5: "m")] : []
    let evidence = ResultsState.Evidence(
      manifest: manifest, verdict: manifest.map { Verdict($0, listing) }, isUnreachable: unreachable, latest: latest,
      isSyncing: syncing, isRunning: running)
    return ResultsState(evidence, now: now, interval: .seconds(300))
  }

  @Test("Nothing there, nothing known, and what is there")
  func plain() {
    #expect(state(nil) == .never)
    #expect(state(nil, unreachable: true) == .unknown)
    #expect(state(manifest(), unreachable: true) == .unknown)
    #expect(state(manifest()) == .synced)
    #expect(state(manifest(), whole: false) == .damaged)
    #expect(state(manifest(final: true), running: false) == .final)
    #expect(state(manifest(final: true), whole: false, running: false) == .damaged)
    #expect(state(manifest(unreadable: ["x"])) == .incomplete)
    #expect(state(manifest(final: true, unreadable: ["x"]), running: false) == .incomplete)
  }

  @Test("Too old is said while the job runs, and a look that found nothing new counts as a copy")
  func stale() {
    #expect(state(manifest(minutesAgo: 10)) == .synced)
    #expect(state(manifest(minutesAgo: 12)) == .stale)
    #expect(state(manifest(minutesAgo: 12), running: false) == .synced)
    #expect(state(manifest(minutesAgo: 600), latest: report(.unchanged, minutesAgo: 2)) == .synced)
    // The look belongs to another manifest than the one that is on the remote.
    #expect(state(manifest(minutesAgo: 600), latest: report(.unchanged, minutesAgo: 2, seq: 9)) == .stale)
  }

  @Test("A failure after the last copy is said, an older one is not")
  func failing() {
    #expect(state(nil, latest: report(.failing)) == .failing)
    #expect(state(manifest(minutesAgo: 3), latest: report(.failing, minutesAgo: 1)) == .failing)
    #expect(state(manifest(minutesAgo: 1), latest: report(.failing, minutesAgo: 3)) == .synced)
    #expect(state(manifest(minutesAgo: 3), latest: report(.failing, minutesAgo: 1), syncing: true) == .syncing)
    #expect(state(manifest(), whole: false, latest: report(.failing), syncing: true) == .damaged)
    #expect(state(nil, syncing: true) == .syncing)
  }
}

@Suite("A deep comparison")
struct DeepCheckTests {
  @Test("Each file is the same, newer, new, gone, unreadable or different")
  func classes() {
    let manifest = Manifest(
      job: "a1b2c3d4", attempt: 1, seq: 1, startedAt: 1_000_000, finishedAt: 1_001_000, final: false,
      files: [
        .init(path: "same", size: 1, md5: "a"), .init(path: "newer", size: 1, md5: "a"),
        .init(path: "spoilt", size: 1, md5: "a"), .init(path: "gone", size: 1, md5: "a"),
        .init(path: "closed", size: 1, md5: "a"), .init(path: "unhashed", size: 1, md5: ""),
        .init(path: Manifest.archive, size: 9, md5: "z"),
      ], excludedCount: 0, excluded: [], unreadable: [],
      packed: [.init(path: "small", size: 2, md5: "b"), .init(path: "old", size: 3)])
    func file(_ path: String, _ size: Int64, _ md5: String, _ modified: Int64) -> DeepCheck.File {
      DeepCheck.File(path: path, size: size, md5: md5, modified: modified)
    }
    let check = DeepCheck(
      manifest,
      files: [
        file("same", 1, "a", 5), file("newer", 4, "c", 1_000_500), file("spoilt", 1, "c", 5), file("new", 1, "d", 5),
        file("unhashed", 1, "e", 5), file("small", 2, "b", 5), file("old", 3, "q", 5),
      ], unreadable: ["closed"])
    #expect(check.same == 4)
    #expect(check.newer == ["newer"] && check.new == ["new"] && check.gone == ["gone"])
    #expect(check.different == ["spoilt"] && check.unreadable == ["closed"])
    #expect(!check.isSound)
  }
}
