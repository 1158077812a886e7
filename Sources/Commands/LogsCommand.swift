package import ArgumentParser
internal import Configuration
internal import Foundation
internal import JobModel
internal import JobStore
internal import Monitor
internal import ProviderKit

package struct LogsCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "logs", abstract: "Show the output of a job's calculation",
    discussion: """
      Examples:
        cloudjobs logs a1b2
        cloudjobs logs a1b2 --tail 50 -f
      """)

  @OptionGroup package var global: GlobalOptions
  @OptionGroup package var argument: JobArgument

  @Flag(name: .shortAndLong, help: "Go on as the output grows, until the job or its instance is over.")
  var follow = false

  @Option(help: "Only the last lines.")
  var tail: Int?

  package init() {}

  package func validate() throws {
    if let tail, tail < 0 { throw ValidationError("--tail takes 0 or more, not \(tail)") }
  }

  package func run() async throws {
    let context = try CommandContext.make(global)
    let store = try await context.openForReading()
    let job = try await context.resolve(argument.job, in: store)
    guard let provider = context.provider(job.provider) as? any LogProviding else {
      throw CommandError(.unavailable, "the output of a job on \(job.provider) can't be read from here yet")
    }
    guard let reference = InstanceReference(job) else {
      throw CommandError(.noInput, "job \(job.id) has no instance (it is \(job.state.rawValue)), so it has no output")
    }
    let path = provider.logFile(of: reference)
    guard FileManager.default.fileExists(atPath: path) || follow else {
      throw CommandError(.noInput, "job \(job.id) has written no output yet: \(path) does not exist")
    }
    var reader = GrowingFile(path: path)
    if let tail { try reader.skip(toLastLines: tail) }
    if try copy(&reader), follow {
      var end = EndOfOutput(reference: reference, provider: provider, policy: context.settings.supervision)
      var isOver = false
      while !isOver {
        isOver = try await end.isReached(store, now: context.clock.now())
        // Read after the question: whatever was written before the end is there by now.
        guard try copy(&reader) else { break }
        if !isOver { try await context.clock.sleep(until: context.clock.now() + .milliseconds(300)) }
      }
      if isOver, !end.isRecorded, try await context.liveWatcher(store) == nil {
        context.console.note("The instance is over. How the job ended is seen by: cloudjobs watch")
      }
    }
    await store.close()
  }

  /// Copies what is new. False if nobody takes it.
  private func copy(_ reader: inout GrowingFile) throws -> Bool {
    while let chunk = try reader.next() {
      guard StandardOutput.write(Array(chunk)) else { return false }
    }
    return true
  }
}

/// A file that another process appends to, read as far as it goes.
struct GrowingFile {
  let path: String
  private var offset: UInt64 = 0
  private static let chunk = 64 * 1024

  init(path: String) { self.path = path }

  /// Up to 64 KiB that have not been read, or nil. A file that became shorter is read from its beginning again.
  mutating func next() throws -> Data? {
    guard let handle = FileHandle(forReadingAtPath: path) else { return nil }
    defer { try? handle.close() }
    let size = try handle.seekToEnd()
    if size < offset { offset = 0 }
    guard size > offset else { return nil }
    try handle.seek(toOffset: offset)
    guard let data = try handle.read(upToCount: Self.chunk), !data.isEmpty else { return nil }
    offset += UInt64(data.count)
    return data
  }

  /// Moves to where the last `count` lines begin, reading backwards.
  mutating func skip(toLastLines count: Int) throws {
    guard let handle = FileHandle(forReadingAtPath: path) else { return }
    defer { try? handle.close() }
    let size = try handle.seekToEnd()
    var start = size
    var newlines = 0
    offset = count == 0 ? size : 0
    guard count > 0 else { return }
    while start > 0 {
      let length = min(UInt64(Self.chunk), start)
      start -= length
      try handle.seek(toOffset: start)
      let data = Array(try handle.read(upToCount: Int(length)) ?? Data())
      for index in data.indices.reversed() where data[index] == UInt8(ascii: "\n") {
        // The newline that ends the file ends its last line.
        if start + UInt64(index) + 1 == size { continue }
        newlines += 1
        if newlines == count {
          offset = start + UInt64(index) + 1
          return
        }
      }
    }
  }
}
