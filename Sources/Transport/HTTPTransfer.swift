import CCurl
import Synchronization

/// Says that nobody waits for a request any more. Set by the caller's task, read by the transport's thread.
final class CancellationFlag: Sendable {
  private let flag = Atomic(false)
  func set() { flag.store(true, ordering: .releasing) }
  var isSet: Bool { flag.load(ordering: .acquiring) }
}

/// A request on its way from a task to the thread, with the continuation that must be resumed exactly once.
struct HTTPOrder: Sendable {
  var request: HTTPRequest
  var cancellation: CancellationFlag
  var continuation: CheckedContinuation<Result<HTTPResponse, TransportError>, Never>
}

/// One transfer in progress: the easy handle, what has been received, and the callbacks that receive it.
///
/// Made, used and freed on the transport's thread alone. Callbacks get it as an unretained pointer: the loop's table
/// holds it from before the handle is added until after the handle is freed.
final class HTTPTransfer {
  let order: HTTPOrder
  let easy: CurlEasy
  private var headerList: UnsafeMutablePointer<curl_slist>?
  private var fields: [HTTPResponse.Field] = []
  private var fieldBytes = 0
  private var body: [UInt8] = []
  private var overflowed = false
  private var source: BodySource?
  private var sink: BodySink?
  private var refusedAddress = false

  /// Headers larger than this in all are not believed.
  private static let headerLimit = 128 * 1024

  init(_ order: HTTPOrder) throws(TransportError) {
    guard let easy = CurlEasy() else { throw TransportError(.unavailable, "libcurl made no handle: out of memory") }
    self.order = order
    do throws(TransportError) {
      source = try order.request.filePiece.map { piece throws(TransportError) in try BodySource(piece) }
    } catch {
      easy.free()
      throw error
    }
    var configured = easy
    Self.configure(&configured, order.request)
    self.easy = configured
    let failure = attach() ?? configured.failure
    if let failure {
      free()
      throw failure
    }
  }

  func free() {
    easy.free()
    ccurl_list_free(headerList)
    headerList = nil
    source?.close()
    sink?.close()
  }

  // MARK: - Before

  private static func configure(_ easy: inout CurlEasy, _ request: HTTPRequest) {
    easy.set(CURLOPT_PROTOCOLS_STR, "http,https")
    easy.set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https")
    easy.set(CURLOPT_FOLLOWLOCATION, 0)
    easy.set(CURLOPT_URL, request.url.reveal())
    // An address goes as it was written: it may have been signed.
    easy.set(CURLOPT_PATH_AS_IS, 1)
    if !request.useEnvironmentProxy { easy.set(CURLOPT_PROXY, "") }
    easy.set(CURLOPT_CONNECTTIMEOUT_MS, min(request.connectTimeout, request.timeout).curlMilliseconds)
    easy.set(CURLOPT_TIMEOUT_MS, request.timeout.curlMilliseconds)
    if let stall = request.stallTimeout {
      easy.set(CURLOPT_LOW_SPEED_LIMIT, 1)
      easy.set(CURLOPT_LOW_SPEED_TIME, max(1, stall.curlMilliseconds / 1000))
    }
    if let caFile = request.caFile { easy.set(CURLOPT_CAINFO, caFile) }
    switch request.method {
    case .get: easy.set(CURLOPT_HTTPGET, 1)
    case .head: easy.set(CURLOPT_NOBODY, 1)
    case .put where request.filePiece != nil:
      easy.set(CURLOPT_UPLOAD, 1)
      easy.set(CURLOPT_UPLOAD_BUFFERSIZE, 512 * 1024)
    case .post, .put, .patch, .delete:
      if let body = request.body ?? (request.method == .delete ? nil : []) {
        easy.set(CURLOPT_POST, 1)
        easy.check(
          body.withUnsafeBytes { ccurl_set_body(easy.handle, $0.baseAddress, $0.count) }, CURLOPT_COPYPOSTFIELDS)
      }
      if request.method != .post { easy.set(CURLOPT_CUSTOMREQUEST, request.method.rawValue) }
    }
  }

  /// Sets headers and callbacks, which need `self`.
  private func attach() -> TransportError? {
    var easy = easy
    let request = order.request
    var names = Set(request.headers.map { $0.name.lowercased() })
    var lines = request.headers.map { header in
      let value = header.value.reveal()
      return value.isEmpty ? "\(header.name);" : "\(header.name): \(value)"
    }
    // libcurl adds these by itself: a form's content type, and a pause of a second before large bodies.
    for name in ["Content-Type", "Expect"] where names.insert(name.lowercased()).inserted { lines.append("\(name):") }
    if names.insert("user-agent").inserted { lines.append("User-Agent: cloudjobs") }
    for line in lines {
      guard let next = ccurl_list_append(headerList, line) else {
        return TransportError(.unavailable, "libcurl could not take the headers: out of memory")
      }
      headerList = next
    }
    easy.check(ccurl_set_list(easy.handle, CURLOPT_HTTPHEADER, headerList), CURLOPT_HTTPHEADER)

    // Unretained: see the type's comment.
    let context = Unmanaged.passUnretained(self).toOpaque()
    let handle = easy.handle
    easy.check(
      ccurl_on_write(handle, { HTTPTransfer.at($3)?.received($0, $1 * $2) ?? 0 }, context), CURLOPT_WRITEFUNCTION)
    if let piece = request.filePiece {
      easy.check(
        ccurl_set_offset(handle, CURLOPT_INFILESIZE_LARGE, curl_off_t(piece.length)), CURLOPT_INFILESIZE_LARGE)
      easy.check(
        ccurl_on_read(
          handle, { HTTPTransfer.at($3)?.source?.read($0, $1 * $2) ?? Int(CURL_READFUNC_ABORT) }, context),
        CURLOPT_READFUNCTION)
      easy.check(
        ccurl_on_seek(
          handle, { HTTPTransfer.at($0)?.source?.seek($1, $2) ?? Int32(CURL_SEEKFUNC_FAIL) }, context),
        CURLOPT_SEEKFUNCTION)
    }
    easy.check(
      ccurl_on_header(handle, { HTTPTransfer.at($3)?.header($0, $1 * $2) ?? 0 }, context), CURLOPT_HEADERFUNCTION)
    easy.check(
      ccurl_on_open_socket(handle, { context, _, address in HTTPTransfer.at(context)?.open(address) ?? -1 }, context),
      CURLOPT_OPENSOCKETFUNCTION)
    // A connection that is reused opens no socket, so the address is looked at once more before each request.
    easy.check(
      ccurl_on_prerequest(
        handle,
        { context, address, _, _, _ in HTTPTransfer.at(context)?.mayUse(address) ?? Int32(CURL_PREREQFUNC_ABORT) },
        context), CURLOPT_PREREQFUNCTION)
    return easy.failure
  }

  private static func at(_ context: UnsafeMutableRawPointer?) -> HTTPTransfer? {
    context.map { Unmanaged<HTTPTransfer>.fromOpaque($0).takeUnretainedValue() }
  }

  // MARK: - Callbacks

  /// Takes a piece of the body; taking less than offered ends the transfer.
  private func received(_ bytes: UnsafeMutablePointer<CChar>?, _ count: Int) -> Int {
    guard let bytes, count > 0 else { return 0 }
    if let path = order.request.destination, (200..<300).contains(easy.number(CURLINFO_RESPONSE_CODE)) {
      if sink == nil { sink = BodySink(path) }
      return sink?.write(bytes, count) == true ? count : 0
    }
    let room = order.request.bodyLimit - body.count
    if count > room { overflowed = true }
    body.append(contentsOf: UnsafeRawBufferPointer(start: bytes, count: max(0, min(count, room))))
    return count > room ? 0 : count
  }

  private func header(_ bytes: UnsafeMutablePointer<CChar>?, _ count: Int) -> Int {
    guard let bytes, count > 0 else { return 0 }
    fieldBytes += count
    guard fieldBytes <= Self.headerLimit else { return 0 }
    let line = String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
    if line.hasPrefix("HTTP/") {
      // Fields before this line belonged to an interim answer or to a proxy.
      fields = []
    } else if let colon = line.firstIndex(of: ":") {
      fields.append(
        HTTPResponse.Field(
          name: String(line[..<colon]), value: String(line[line.index(after: colon)...]).trimmingBlanks))
    }
    return count
  }

  private func open(_ address: UnsafeMutablePointer<curl_sockaddr>?) -> curl_socket_t {
    guard let address else { return -1 }
    if !order.request.allowPrivate, AddressRule.isPrivate(CurlSocket.bytes(address)) {
      refusedAddress = true
      return -1
    }
    return CurlSocket.open(address)
  }

  private func mayUse(_ address: UnsafePointer<CChar>?) -> Int32 {
    if !order.request.allowPrivate, AddressRule.isPrivate(CurlSocket.bytes(printed: address)) {
      refusedAddress = true
      return Int32(CURL_PREREQFUNC_ABORT)
    }
    return Int32(CURL_PREREQFUNC_OK)
  }

  // MARK: - After

  /// What the caller gets for libcurl's result `code`. `now` is in seconds since 1970.
  func result(_ code: CURLcode, now: Int64) -> Result<HTTPResponse, TransportError> {
    let request = order.request
    let status = easy.number(CURLINFO_RESPONSE_CODE)
    if code == CURLE_OK, sink == nil, (200..<300).contains(status) {
      // An answer without a body is an empty file.
      sink = request.destination.map { BodySink($0) }
    }
    if let failure = source?.failure ?? sink?.finish() { return .failure(failure) }
    let isCut = code == CURLE_WRITE_ERROR && overflowed
    if code == CURLE_OK || (isCut && request.overflow == .truncate) {
      var response = HTTPResponse(
        status: status, fields: fields, body: body, isTruncated: isCut, elapsed: easy.seconds(CURLINFO_TOTAL_TIME_T))
      if let text = response.header("Retry-After") {
        // A date is compared with the server's own clock, if it told us that.
        let clock = response.header("Date").flatMap { HTTPDate.parse($0) } ?? now
        response.retryAfter = RetryAfter.parse(text, now: clock)
      }
      return .success(response)
    }
    return .failure(error(code, status: status == 0 ? nil : status, isCut: isCut))
  }

  private func error(_ code: CURLcode, status: Int?, isCut: Bool) -> TransportError {
    let place = Redactor.origin(of: order.request.url.reveal())
    if isCut {
      return TransportError(
        .tooLarge, "The answer of \(place) is larger than \(order.request.bodyLimit) bytes", status: status)
    }
    if fieldBytes > Self.headerLimit {
      return TransportError(
        .tooLarge, "The headers of \(place) are larger than \(Self.headerLimit) bytes", status: status)
    }
    if refusedAddress {
      return TransportError(
        .refusedAddress, "\(place) is on a private network or on this machine, which this request may not reach",
        remedy: "If that is intended, allow private addresses for it.")
    }
    let reason = order.request.redactor.line(easy.problem(code), limit: 256)
    let kind = TransportError.Code(http: code)
    return TransportError(kind, "\(kind.phrase) \(place): \(reason)", status: status)
  }
}

extension TransportError.Code {
  /// The kind of failure that libcurl's `code` means for HTTP.
  init(http code: CURLcode) {
    switch code {
    case CURLE_UNSUPPORTED_PROTOCOL, CURLE_URL_MALFORMAT, CURLE_BAD_FUNCTION_ARGUMENT: self = .invalidRequest
    case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: self = .resolve
    case CURLE_COULDNT_CONNECT: self = .connect
    case CURLE_OPERATION_TIMEDOUT: self = .timeout
    case CURLE_SSL_CONNECT_ERROR, CURLE_SSL_ENGINE_NOTFOUND, CURLE_SSL_ENGINE_SETFAILED, CURLE_SSL_CERTPROBLEM,
      CURLE_SSL_CIPHER, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CRL_BADFILE,
      CURLE_SSL_ISSUER_ERROR, CURLE_SSL_PINNEDPUBKEYNOTMATCH, CURLE_SSL_INVALIDCERTSTATUS, CURLE_USE_SSL_FAILED:
      self = .tls
    default: self = .network
    }
  }

  var phrase: String {
    switch self {
    case .resolve: "The name can't be resolved for"
    case .connect: "No connection to"
    case .tls: "No trusted TLS connection to"
    case .timeout: "No answer in time from"
    case .invalidRequest: "libcurl does not accept the address"
    default: "The connection broke with"
    }
  }
}
