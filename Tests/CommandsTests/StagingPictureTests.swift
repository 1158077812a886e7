import JobModel
import ProviderKit
import ResultSync
import Synchronization
import Testing

@testable import Commands

@Suite("The picture of staging")
struct StagingPictureTests {
  private func draw(terminal: Bool, dumb: Bool = false, _ body: (StagingPicture) -> Void) -> [String] {
    let written = Mutex<[String]>([])
    let console = Console(
      isOutputTerminal: terminal, isErrorTerminal: terminal, isInputTerminal: terminal, isDumb: dumb, usesColor: false,
      sink: { _, text in written.withLock { $0.append(text) } }, source: { nil })
    body(StagingPicture(console, width: { 80 }))
    return written.withLock { $0 }
  }

  private func progress(_ files: Int, _ bytes: Int64, of total: Int64 = 100) -> StagingProgress {
    StagingProgress(files: files, bytes: bytes, totalFiles: 4, totalBytes: total)
  }

  @Test("A terminal shows ten pictures a second at most, and none after the end")
  func terminal() {
    let drawn = draw(terminal: true) { picture in
      for step in 0..<10 { picture.show(progress(1, Int64(step)), at: epoch + .milliseconds(step * 50)) }
      picture.end()
      picture.show(progress(4, 100), at: epoch + .seconds(9))
      picture.end()
    }
    #expect(drawn.count == 6 && drawn.allSatisfy { $0.hasPrefix("\r\u{1B}[K") } && drawn.last == "\r\u{1B}[K")
  }

  @Test("A log, and a terminal that can't draw over a line, get a line every ten seconds", arguments: [false, true])
  func log(_ dumb: Bool) {
    let drawn = draw(terminal: dumb, dumb: dumb) { picture in
      for step in 0..<21 { picture.show(progress(1, Int64(step)), at: epoch + .seconds(step)) }
      picture.end()
    }
    #expect(drawn.count == 3, "\(drawn)")
    #expect(drawn.allSatisfy { $0.hasSuffix("\n") && !$0.contains("\u{1B}") })
  }

  @Test("100 % is said when every file is in place, and not before; empty files count by their number")
  func percent() {
    #expect(StagingPicture.bar(progress(3, 100)).percent == 99)
    #expect(StagingPicture.bar(progress(4, 100)).percent == 100)
    #expect(StagingPicture.bar(progress(1, 0, of: 0)).percent == 25)
    #expect(StagingPicture.bar(progress(4, 0, of: 0)).percent == 100)
  }
}
