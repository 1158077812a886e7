import Foundation
import Synchronization

/// An HTTP server on the loopback interface that notes when each request has arrived whole, and answers 200.
///
/// Its threads block on sockets and are none of the cooperative pool's, as if it were another process.
final class Receiver: Sendable {
  struct Arrival: Sendable {
    /// On the scale of `Meter.seconds()`.
    var at: Double
    var body: Data
  }

  let port: UInt16
  let arrivals: AsyncStream<Arrival>
  private let listener: Int32

  init() throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let size = length
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, size) == 0 && listen(listener, 16) == 0 && getsockname(listener, $0, &length) == 0
      }
    }
    guard bound else { throw BenchmarkError("no loopback socket: \(String(cString: strerror(errno)))") }
    let (arrivals, continuation) = AsyncStream.makeStream(of: Arrival.self)
    self.listener = listener
    self.arrivals = arrivals
    port = UInt16(bigEndian: address.sin_port)
    Thread.detachNewThread {
      while true {
        let connection = accept(listener, nil, nil)
        guard connection >= 0 else { return }
        Thread.detachNewThread {
          Self.serve(connection, continuation)
          close(connection)
        }
      }
    }
  }

  private static func serve(_ connection: Int32, _ arrivals: AsyncStream<Arrival>.Continuation) {
    var on: Int32 = 1
    setsockopt(connection, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    let answer = Array("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".utf8)
    var buffer = Data()
    while let body = request(connection, &buffer) {
      let at = Meter.seconds()
      guard write(connection, answer, answer.count) == answer.count else { return }
      arrivals.yield(Arrival(at: at, body: body))
    }
  }

  /// The body of the next request, or nil at the end of the connection.
  private static func request(_ connection: Int32, _ buffer: inout Data) -> Data? {
    var bytes = [UInt8](repeating: 0, count: 64 * 1024)
    while true {
      if let head = buffer.range(of: Data("\r\n\r\n".utf8)) {
        let length = contentLength(buffer[..<head.lowerBound])
        if buffer.distance(from: head.upperBound, to: buffer.endIndex) >= length {
          let end = head.upperBound + length
          defer { buffer = Data(buffer[end...]) }
          return Data(buffer[head.upperBound..<end])
        }
      }
      let count = read(connection, &bytes, bytes.count)
      guard count > 0 else { return nil }
      buffer.append(contentsOf: bytes[..<count])
    }
  }

  private static func contentLength(_ head: Data) -> Int {
    for line in String(decoding: head, as: UTF8.self).lowercased().split(whereSeparator: \.isNewline) {
      guard line.hasPrefix("content-length:") else { continue }
      return Int(line.dropFirst(15).trimmingCharacters(in: .whitespaces)) ?? 0
    }
    return 0
  }
}
