import Testing

@testable import AWSProvider

@Suite("What is staged, and in which parts")
struct StagingPlanTests {
  private func plan(_ entries: [FoundEntry], exclude: [String] = [], skipped: Set<String> = []) throws(StagingError)
    -> StagingPlan
  {
    try StagingPlan(
      entries, root: "calc", physicalRoot: "/home/u/calc", prefix: "a1b2c3d4/input/", exclude: exclude, skipped: skipped
    )
  }

  private func file(_ path: String, _ size: Int64 = 1) -> FoundEntry {
    FoundEntry(path: path, kind: .file, facts: FileFacts(size: size))
  }

  private func link(_ path: String, _ target: String?, _ destination: String?, _ leadsTo: FoundEntry.Link.Target)
    -> FoundEntry
  {
    FoundEntry(
      path: path,
      kind: .link(.init(target: target, destination: destination, leadsTo: leadsTo, facts: FileFacts(size: 7))))
  }

  @Test(
    "patterns are those of the copies: names without a slash, paths with one",
    arguments: [
      ("*.tmp", "a.tmp", true), ("*.tmp", "b/a.tmp", true), ("*.tmp", "b/.tmp", true), ("*.tmp", "a.tmp2", false),
      ("FCIDUMP", "x/FCIDUMP", true), ("FCIDUMP", "FCIDUMP/x", false), ("b/*", "b/a", true), ("b/*", "x/b/c/d", true),
      ("b/*", "xb/c", false), ("/b/*", "b/c", true), ("/b/*", "x/b/c", false), ("[ab]?", "x/a1", true),
      (".git/*", ".git/a/b", true),
    ])
  func patterns(_ pattern: String, _ path: String, _ isExcluded: Bool) throws {
    #expect(try plan([file(path)], exclude: [pattern]).files.isEmpty == isExcluded)
  }

  @Test("folders that are empty are kept, others come with their files")
  func folders() throws {
    let plan = try plan([
      FoundEntry(path: "full", kind: .folder(isEmpty: false)), file("full/a", 5), file("zero", 0),
      FoundEntry(path: "empty", kind: .folder(isEmpty: true), facts: FileFacts(mode: 0o700)),
    ])
    #expect(plan.folders == [.init(path: "empty", mode: 0o700)])
    #expect(plan.files.map(\.path) == ["full/a", "zero"])
    #expect(plan.bytes == 5)
  }

  @Test("links within the folder stay links, relative ones as they are")
  func innerLinks() throws {
    let plan = try plan([
      link("sub/a", "../b", "/home/u/calc/b", .file), link("abs", "/home/u/calc/sub/c", "/home/u/calc/sub/c", .file),
      link("sub/abs", "/home/u/calc/b", "/home/u/calc/b", .folder), link("round", "../calc/b", "/home/u/calc/b", .file),
      link("lock", "u@host:12", nil, .nothing), link("self", ".", "/home/u/calc", .folder),
      link("sub/deep/root", "/home/u/calc", "/home/u/calc", .folder),
    ])
    #expect(
      plan.links == [
        .init(path: "sub/a", target: "../b"), .init(path: "abs", target: "sub/c"),
        .init(path: "sub/abs", target: "../b"),
        .init(path: "round", target: "b"), .init(path: "lock", target: "u@host:12"), .init(path: "self", target: "."),
        .init(path: "sub/deep/root", target: "../.."),
      ])
    #expect(plan.files.isEmpty)
    #expect(plan.notices.isEmpty)
  }

  @Test("a link to a file outside becomes the file, one to a folder outside is refused")
  func outerLinks() throws {
    let found = try plan([link("basis", "/share/basis", "/share/basis", .file)])
    #expect(found.links.isEmpty)
    #expect(found.files.map(\.path) == ["basis"])
    #expect(found.files.first?.facts.size == 7)
    let error = #expect(throws: StagingError.self) { try plan([link("d", "/share", "/share", .folder)]) }
    #expect(error?.code == .link)
    #expect(error?.message.contains("calc/d") == true)
    #expect(try plan([link("d", "/share", "/share", .folder)], exclude: ["d"]).links.isEmpty)
    // A neighbour whose name begins the same is outside.
    #expect(throws: StagingError.self) { try plan([link("d", "../calc2", "/home/u/calc2", .folder)]) }
    let dangling = try plan([link("x", "/nowhere", nil, .nothing), link("y", "../z", nil, .nothing)])
    #expect(dangling.links.isEmpty)
    #expect(dangling.notices.count == 2)
  }

  @Test("what is no file is left out with a word, names that can't be are refused by name")
  func oddities() throws {
    #expect(
      try plan([FoundEntry(path: "p", kind: .other("a named pipe"))]).notices == ["p is a named pipe and was left out"])
    let broken = #expect(throws: StagingError.self) {
      try plan([FoundEntry(path: "a/\u{FFFD}", isUTF8: false, kind: .other(""))])
    }
    #expect(broken?.code == .name)
    #expect(broken?.message.contains("calc/a/\u{FFFD}") == true)
    let long = String(repeating: "é", count: 600)
    #expect(#expect(throws: StagingError.self) { try plan([file(long)]) }?.code == .name)
    #expect(#expect(throws: StagingError.self) { try plan([link("l", nil, "/x", .file)]) }?.code == .name)
    #expect(#expect(throws: StagingError.self) { try plan([file("f", 6 << 40)]) }?.code == .tooLarge)
    #expect(try plan([file("a\nb")]).files.map(\.path) == ["a\nb"])
  }

  @Test("what is no input by its place is left out")
  func skipped() throws {
    #expect(try plan([file("jobs.db"), file("a")], skipped: ["/home/u/calc/jobs.db"]).files.map(\.path) == ["a"])
  }

  @Test(
    "parts are within S3's limits, and cover the file",
    arguments: [
      0, 1, 5, 16 << 20, (16 << 20) + 1, 100 << 20, (512 << 20) + 1, 2 << 30, 5 << 30, 100 << 30, 600 << 30, 1 << 40,
      5 << 40,
    ] as [Int64])
  func parts(_ size: Int64) {
    let plan = PartPlan(size: size)
    #expect(plan.count <= S3Client.partLimit)
    #expect(plan.partSize >= 8 << 20)
    #expect(plan.partSize <= 64 << 20 || size > 600 << 30)
    #expect(plan.part(1).offset == 0)
    let last = plan.part(plan.count)
    #expect(last.offset + last.length == size)
    #expect(last.length > 0 || size == 0)
    #expect(plan.isWhole == (size <= 16 << 20))
  }
}
