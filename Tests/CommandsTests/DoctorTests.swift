import Foundation
import Testing

@testable import Commands

@Suite("What doctor finds")
struct DoctorTests {
  @Test("a folder for instances is there, can be made, or is in the way")
  func instances() throws {
    let root = NSTemporaryDirectory() + "cloudjobs-doctor-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: root) }
    #expect(Doctor.instances(in: root) == Finding(check: "instances", result: .good, message: root))
    let later = Doctor.instances(in: root + "/a/b")
    #expect(later.result == .good)
    #expect(later.message == "\(root)/a/b will be made by the first job")
    try Data().write(to: URL(fileURLWithPath: root + "/file"))
    for path in [root + "/file", root + "/file/below"] {
      let blocked = Doctor.instances(in: path)
      #expect(blocked.result == .bad)
      #expect(blocked.message == "\(root)/file is not a folder")
      #expect(blocked.remedy?.contains("local.directory") == true)
    }
  }
}
