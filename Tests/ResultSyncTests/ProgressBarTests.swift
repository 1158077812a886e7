import ResultSync
import Testing

@Suite("The bar of a copy")
struct ProgressBarTests {
  private let bar = ProgressBar(
    percent: 42, bytes: 12_300_000, totalBytes: 29_000_000, rate: 3_100_000,
    files: ProgressBar.Files(done: 3, total: 12))

  @Test(
    "What a narrow terminal has no room for goes, the least telling first",
    arguments: [
      (100, "[############..................]  42 %  12.3 MB of 29.0 MB  3.1 MB/s  6s left  3 of 12 files"),
      (79, "[####......]  42 %  12.3 MB of 29.0 MB  3.1 MB/s  6s left  3 of 12 files"),
      (60, "[####......]  42 %  12.3 MB of 29.0 MB  3.1 MB/s  6s left"),
      (50, "[####......]  42 %  12.3 MB of 29.0 MB  6s left"),
      (35, "42 %  12.3 MB of 29.0 MB  6s left"), (26, "42 %  12.3 MB of 29.0 MB"), (10, "42 %"), (2, "42"), (0, ""),
    ] as [(Int, String)])
  func narrow(_ width: Int, _ expected: String) { #expect(bar.line(width: width) == expected) }

  @Test("It is never wider than it may be, whatever the numbers")
  func bounded() {
    for _ in 0..<2000 {
      let total = Int64.random(in: 0...(Int64(1) << Int64.random(in: 0...50)))
      let bar = ProgressBar(
        percent: .random(in: -5...200), bytes: .random(in: 0...max(1, total)),
        totalBytes: total, rate: Bool.random() ? .random(in: 0...1e12) : nil,
        files: ProgressBar.Files(done: .random(in: 0...9), total: 1_000_000))
      let width = Int.random(in: 0...200)
      #expect(bar.line(width: width).count <= width, "\(bar)")
    }
  }
}
