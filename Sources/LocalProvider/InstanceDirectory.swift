import JobModel
import ProviderKit

/// The directory of one instance: what the bootstrap script wrote there, and what we leave for it.
struct InstanceDirectory {
  let path: String

  init(root: String, token: String) { path = root + "/" + token }

  func file(_ name: String) -> String { path + "/" + name }

  /// Who the bootstrap script is: pid and start time on one run of the machine, and when it began.
  struct Identity: Equatable {
    var pid: Int32
    var start: UInt64
    var boot: String
    var at: Timestamp

    init?(_ text: String) {
      let words = text.split(whereSeparator: { $0 == " " || $0 == "\n" })
      guard words.count == 4, let pid = Int32(words[0]), pid > 1, let start = UInt64(words[1]),
        let milliseconds = Int64(words[3])
      else { return nil }
      self.pid = pid
      self.start = start
      boot = String(words[2])
      at = Timestamp(milliseconds: milliseconds)
    }
  }

  /// Nil if no instance was made here. The file appears whole, so a broken one was not written by the script.
  func identity() throws(FileError) -> Identity? {
    guard let bytes = try Files.read(file(BootstrapScript.File.identity), limit: 512) else { return nil }
    return Identity(String(decoding: bytes, as: UTF8.self))
  }

  /// The last word of a script that has ended: its beacon, or what it left in a link for want of room.
  func lastWord(_ reference: InstanceReference, _ beacon: Beacon?) -> Beacon? {
    guard beacon?.isOver != true, let link = Files.link(file(BootstrapScript.File.result)),
      let end = RecordedEnd(link.target)
    else { return beacon }
    return end.completing(
      beacon, job: reference.job, attempt: reference.attempt, at: Timestamp(milliseconds: link.made))
  }

  /// When the instance was seen to be gone with everything it had started; written once, by us.
  func ended() throws(FileError) -> Timestamp? {
    guard let bytes = try Files.read(file("ended"), limit: 64),
      let milliseconds = Int64(String(decoding: bytes.filter { $0 > 32 }, as: UTF8.self))
    else { return nil }
    return Timestamp(milliseconds: milliseconds)
  }

  func writeEnded(_ moment: Timestamp) throws(FileError) {
    try Files.write(file("ended"), Array("\(moment.rawValue)\n".utf8))
  }

  /// The price at which the instance was made.
  func price() throws(FileError) -> HourlyPrice? {
    guard let bytes = try Files.read(file("price"), limit: 64),
      let microdollars = Int64(String(decoding: bytes.filter { $0 > 32 }, as: UTF8.self)), microdollars >= 0
    else { return nil }
    return HourlyPrice(microdollars: microdollars)
  }

  /// Everything that the script needs, each file whole. The order does not matter: nothing runs before it is complete.
  func prepare(configuration: String, manifest: String, price: HourlyPrice, sync: String?) throws(FileError) {
    try Files.makeFolder(path)
    if let sync {
      try Files.write(file(SyncScript.File.script), SyncScript.text)
      try Files.write(file(SyncScript.File.configuration), Array(sync.utf8))
    }
    try Files.write(file(BootstrapScript.File.script), BootstrapScript.text)
    try Files.write(file(BootstrapScript.File.configuration), Array(configuration.utf8))
    try Files.write(file(BootstrapScript.File.inputs), Array(manifest.utf8))
    try Files.write(file("price"), Array("\(price.microdollars)\n".utf8))
  }

  /// Number and bytes of the files that were staged.
  func staged() throws(FileError) -> FileCount? {
    guard let bytes = try Files.read(file(BootstrapScript.File.staged), limit: 128) else { return nil }
    let words = String(decoding: bytes, as: UTF8.self).split(whereSeparator: { $0 == " " || $0 == "\n" })
    guard words.count == 2, let files = Int(words[0]), let size = Int64(words[1]) else { return nil }
    return FileCount(files: files, bytes: size)
  }
}
