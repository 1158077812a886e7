package import Foundation

extension FileHandle {
  /// What is there to be read, or nothing at the end. Foundation's own way ends the program when a signal interrupts it.
  package func nextPiece() -> Data {
    var buffer = [UInt8](repeating: 0, count: 64 * 1024)
    while true {
      let count = readBytes(fileDescriptor, &buffer)
      if count >= 0 { return Data(buffer.prefix(count)) }
      if errno != EINTR { return Data() }
    }
  }

  /// Everything until the end.
  package func allPieces() -> Data {
    var all = Data()
    while true {
      let piece = nextPiece()
      if piece.isEmpty { return all }
      all.append(piece)
    }
  }
}

private func readBytes(_ descriptor: Int32, _ buffer: inout [UInt8]) -> Int { read(descriptor, &buffer, buffer.count) }
