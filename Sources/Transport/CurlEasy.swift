import CCurl

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// libcurl itself: loading it.
package enum Curl {
  /// Whether the library has been loaded, which costs some 10 ms and happens at the first request.
  package static var isLoaded: Bool { ccurl_is_loaded() }

  /// Loads libcurl. Call it on a transport thread only: it takes milliseconds and reads files.
  static func load() throws(TransportError) {
    var buffer = [CChar](repeating: 0, count: 512)
    guard !ccurl_load(&buffer, buffer.count) else { return }
    let reason = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    throw TransportError(
      .unavailable, "libcurl can't be loaded: \(reason)",
      remedy: "Install it: `apt install libcurl4` on Debian and Ubuntu.")
  }

  /// Loads libcurl, which blocks for some 10 ms, and returns its version: for who wants to know before an alert fails.
  package static func examine() throws(TransportError) -> String {
    try load()
    return String(cString: ccurl_version())
  }
}

/// One easy handle under construction and in use. Belongs to the thread that made it.
struct CurlEasy {
  let handle: UnsafeMutableRawPointer
  /// libcurl's own words about a failure; lives as long as the handle.
  private let errorText: UnsafeMutablePointer<CChar>
  /// The first option that libcurl refused.
  private var refused: (option: UInt32, code: CURLcode)?

  init?() {
    guard let handle = ccurl_easy_init() else { return nil }
    self.handle = handle
    errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
    errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    check(ccurl_set_pointer(handle, CURLOPT_ERRORBUFFER, errorText), CURLOPT_ERRORBUFFER)
    // Neither signals nor joining a resolver thread that hangs: both would reach the other transfers.
    set(CURLOPT_NOSIGNAL, 1)
    set(CURLOPT_QUICK_EXIT, 1)
    set(CURLOPT_SSL_VERIFYPEER, 1)
    set(CURLOPT_SSL_VERIFYHOST, 2)
    set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
    set(CURLOPT_NETRC, Int(CURL_NETRC_IGNORED.rawValue))
  }

  /// Frees the handle. Nothing may use it afterwards.
  func free() {
    ccurl_easy_cleanup(handle)
    errorText.deallocate()
  }

  mutating func set(_ option: CURLoption, _ value: Int) { check(ccurl_set_long(handle, option, value), option) }
  mutating func set(_ option: CURLoption, _ value: String) { check(ccurl_set_string(handle, option, value), option) }
  mutating func check(_ code: CURLcode, _ option: CURLoption) {
    if code != CURLE_OK, refused == nil { refused = (option.rawValue, code) }
  }

  /// Nil if libcurl took every option. A protection that could not be switched on must stop the request.
  var failure: TransportError? {
    guard let refused else { return nil }
    return TransportError(
      .unavailable,
      "libcurl \(String(cString: ccurl_version())) refused option \(refused.option): \(Self.text(refused.code))",
      remedy: "Install libcurl 7.87 or newer with TLS.")
  }

  /// What libcurl says about `code`, the details if it gave any.
  func problem(_ code: CURLcode) -> String {
    errorText.pointee != 0 ? String(cString: errorText) : Self.text(code)
  }

  private static func text(_ code: CURLcode) -> String {
    ccurl_easy_strerror(code).map { String(cString: $0) } ?? "error"
  }

  func number(_ info: CURLINFO) -> Int {
    var value = 0
    return ccurl_get_long(handle, info, &value) == CURLE_OK ? value : 0
  }

  func seconds(_ info: CURLINFO) -> Duration {
    var microseconds: curl_off_t = 0
    return ccurl_get_offset(handle, info, &microseconds) == CURLE_OK ? .microseconds(Int64(microseconds)) : .zero
  }
}

/// Opens sockets for libcurl, which itself would let child processes inherit them.
enum CurlSocket {
  static func open(_ address: UnsafeMutablePointer<curl_sockaddr>) -> curl_socket_t {
    #if canImport(Darwin)
      let descriptor = socket(address.pointee.family, address.pointee.socktype, address.pointee.protocol)
      if descriptor >= 0 { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
      return descriptor
    #else
      let cloexec = Int32(SOCK_CLOEXEC.rawValue)
      return socket(address.pointee.family, address.pointee.socktype | cloexec, address.pointee.protocol)
    #endif
  }

  /// The address as 4 or 16 bytes in network order; empty for any other family.
  static func bytes(_ address: UnsafeMutablePointer<curl_sockaddr>) -> [UInt8] {
    // Copied byte by byte, because `addr` is declared as a plain sockaddr, which is shorter than an IPv6 address.
    withUnsafePointer(to: &address.pointee.addr) { pointer in
      let raw = UnsafeRawPointer(pointer)
      switch address.pointee.family {
      case AF_INET:
        let offset = MemoryLayout<sockaddr_in>.offset(of: \.sin_addr) ?? 4
        return (0..<4).map { raw.load(fromByteOffset: offset + $0, as: UInt8.self) }
      case AF_INET6:
        let offset = MemoryLayout<sockaddr_in6>.offset(of: \.sin6_addr) ?? 8
        return (0..<16).map { raw.load(fromByteOffset: offset + $0, as: UInt8.self) }
      default: return []
      }
    }
  }

  /// The bytes of an address as libcurl prints it; empty if it is none.
  static func bytes(printed text: UnsafePointer<CChar>?) -> [UInt8] {
    guard let text else { return [] }
    var buffer = [UInt8](repeating: 0, count: 16)
    if inet_pton(AF_INET, text, &buffer) == 1 { return Array(buffer.prefix(4)) }
    if inet_pton(AF_INET6, text, &buffer) == 1 { return buffer }
    return []
  }
}
