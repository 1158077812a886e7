import Foundation
import Testing

@testable import Commands

@Suite("Paths as text")
struct LexicalPathTests {
  @Test(
    "dots, doubled slashes and the home are worked out without a look at the disk",
    arguments: [
      ("jobs.db", "/work/jobs.db"), ("./jobs.db", "/work/jobs.db"), ("../jobs.db", "/jobs.db"),
      ("../../../jobs.db", "/jobs.db"), ("a/./b/../c//d/", "/work/a/c/d"), ("", "/work"), (".", "/work"), ("..", "/"),
      ("/", "/"), ("//x///y", "/x/y"), ("/a/../../b", "/b"), ("~/jobs.db", "/home/me/jobs.db"), ("~", "/work/~"),
      ("...", "/work/..."), ("a b/\u{301}ü 水", "/work/a b/\u{301}ü 水"), ("-x", "/work/-x"),
    ])
  func absolute(_ path: String, _ expected: String) {
    let result = LexicalPath.absolute(path, in: "/work", home: "/home/me")
    #expect(Array(result.utf8) == Array(expected.utf8))
    #expect(LexicalPath.normalized(result) == result)
  }

  @Test("without a home, ~ is a name like any other")
  func homeless() {
    #expect(LexicalPath.absolute("~/x", in: "/work", home: nil) == "/work/~/x")
  }

  @Test("a path is its folder and its name")
  func parts() {
    for (path, folder, name) in [("/a/b", "/a", "b"), ("/a", "/", "a"), ("/", "/", "")] {
      #expect(LexicalPath.folder(of: path) == folder)
      #expect(LexicalPath.name(of: path) == name)
    }
  }

  @Test("only the physical path follows links, and there is none where there is nothing")
  func physical() throws {
    let root = NSTemporaryDirectory() + "cloudjobs-path-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: root + "/real", withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: root) }
    try FileManager.default.createSymbolicLink(atPath: root + "/link", withDestinationPath: "real")
    let real = try #require(LexicalPath.physical(root + "/real"))
    #expect(LexicalPath.physical(root + "/link") == real)
    #expect(LexicalPath.physical(root + "/none") == nil)
  }
}
