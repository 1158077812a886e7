import CCurl

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// One SMTP session for one message, performed on the mail thread, which it blocks.
///
/// Callbacks get it as an unretained pointer: `perform` holds it until the handle is freed.
final class SMTPTransaction {
  private let request: SMTPRequest
  private let cancellation: CancellationFlag
  private var easy: CurlEasy
  private var recipients: UnsafeMutablePointer<curl_slist>?
  private var dialogue: SMTPDialogue
  /// How much of the message libcurl has read.
  private var sent = 0
  private var descriptor: curl_socket_t = -1
  private var abort: SMTPOutcome.Abort?
  /// When we end it ourselves, should libcurl not.
  private var lastMoment: ContinuousClock.Instant

  /// How long the server may take over its goodbye, the message being decided.
  private static let goodbye = Duration.seconds(1)

  init(_ request: SMTPRequest, _ cancellation: CancellationFlag) throws(TransportError) {
    guard let easy = CurlEasy() else { throw TransportError(.unavailable, "libcurl made no handle: out of memory") }
    self.request = request
    self.cancellation = cancellation
    self.easy = easy
    dialogue = SMTPDialogue(security: request.security, needsLogin: request.credentials != nil)
    lastMoment = ContinuousClock.now + request.timeout
    configure()
    if let failure = self.easy.failure {
      free()
      throw failure
    }
  }

  /// Runs the session and frees the handle.
  func perform() -> Result<SMTPReceipt, TransportError> {
    let code = ccurl_easy_perform(easy.handle)
    let redactor = request.redactor
    let result = SMTPOutcome.result(
      code, status: easy.number(CURLINFO_RESPONSE_CODE), dialogue: dialogue, abort: abort, place: request.place,
      reply: redactor.line(dialogue.lastReply.joined(separator: " ")),
      problem: redactor.line(easy.problem(code), limit: 256))
    free()
    return result
  }

  private func free() {
    easy.free()
    ccurl_list_free(recipients)
    recipients = nil
  }

  private func configure() {
    let scheme = request.security == .tls ? "smtps" : "smtp"
    let host = request.host.contains(":") ? "[\(request.host)]" : request.host
    easy.set(CURLOPT_PROTOCOLS_STR, scheme)
    easy.set(CURLOPT_URL, "\(scheme)://\(host):\(request.port)")
    easy.set(CURLOPT_PROXY, "")
    switch request.security {
    case .startTLS, .tls: easy.set(CURLOPT_USE_SSL, Int(CURLUSESSL_ALL.rawValue))
    case .plain: easy.set(CURLOPT_USE_SSL, Int(CURLUSESSL_NONE.rawValue))
    }
    if let caFile = request.caFile { easy.set(CURLOPT_CAINFO, caFile) }
    if let credentials = request.credentials {
      easy.set(CURLOPT_USERNAME, credentials.username)
      easy.set(CURLOPT_PASSWORD, credentials.password.reveal())
    }
    easy.set(CURLOPT_CONNECTTIMEOUT_MS, min(request.connectTimeout, request.timeout).curlMilliseconds)
    easy.set(CURLOPT_TIMEOUT_MS, request.timeout.curlMilliseconds)
    // Without it a server that is silent at QUIT holds the thread for two minutes, whatever the time-out says.
    easy.set(CURLOPT_SERVER_RESPONSE_TIMEOUT, max(1, (request.timeout.curlMilliseconds + 999) / 1000))
    // A connection that is kept would be closed, and waited for, at some later moment.
    easy.set(CURLOPT_FORBID_REUSE, 1)
    easy.set(CURLOPT_FRESH_CONNECT, 1)
    easy.set(CURLOPT_MAIL_FROM, "<\(request.sender)>")
    recipients = ccurl_list_append(nil, "<\(request.recipient)>")
    easy.check(
      recipients == nil ? CURLE_OUT_OF_MEMORY : ccurl_set_list(easy.handle, CURLOPT_MAIL_RCPT, recipients),
      CURLOPT_MAIL_RCPT)
    // No CURLOPT_INFILESIZE: libcurl 7.88 counts stuffed dots against it and cuts the message's end off in silence.
    easy.set(CURLOPT_UPLOAD, 1)
    easy.set(CURLOPT_NOPROGRESS, 0)

    let context = Unmanaged.passUnretained(self).toOpaque()
    let handle = easy.handle
    easy.check(
      ccurl_on_read(handle, { SMTPTransaction.at($3)?.read($0, $1 * $2) ?? Int(CURL_READFUNC_ABORT) }, context),
      CURLOPT_READFUNCTION)
    easy.check(
      ccurl_on_header(handle, { SMTPTransaction.at($3)?.line($0, $1 * $2) ?? 0 }, context), CURLOPT_HEADERFUNCTION)
    // Without a function of ours libcurl would print replies to standard output.
    easy.check(ccurl_on_write(handle, { _, size, count, _ in size * count }, context), CURLOPT_WRITEFUNCTION)
    easy.check(
      ccurl_on_progress(
        handle, { context, _, _, _, _ in SMTPTransaction.at(context)?.mustEnd() == true ? 1 : 0 }, context),
      CURLOPT_XFERINFOFUNCTION)
    easy.check(
      ccurl_on_open_socket(
        handle, { context, _, address in SMTPTransaction.at(context)?.open(address) ?? -1 }, context),
      CURLOPT_OPENSOCKETFUNCTION)
    easy.check(
      ccurl_on_close_socket(handle, { context, socket in SMTPTransaction.at(context)?.close(socket) ?? -1 }, context),
      CURLOPT_CLOSESOCKETFUNCTION)
  }

  private static func at(_ context: UnsafeMutableRawPointer?) -> SMTPTransaction? {
    context.map { Unmanaged<SMTPTransaction>.fromOpaque($0).takeUnretainedValue() }
  }

  // MARK: - Callbacks

  private func read(_ buffer: UnsafeMutablePointer<CChar>?, _ room: Int) -> Int {
    // Nothing leaves this machine before the server accepted the password.
    guard let buffer, dialogue.maySend else {
      abort = .noLogin
      return Int(CURL_READFUNC_ABORT)
    }
    let count = min(room, request.message.count - sent)
    request.message.withUnsafeBytes { bytes in
      UnsafeMutableRawBufferPointer(start: buffer, count: room).copyMemory(
        from: .init(rebasing: bytes[sent...].prefix(count)))
    }
    sent += count
    return count
  }

  private func line(_ bytes: UnsafeMutablePointer<CChar>?, _ count: Int) -> Int {
    guard let bytes, count > 0 else { return count }
    let text = String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
    if dialogue.receive(text.trimmingBlanks) == .noLogin {
      abort = .noLogin
      return 0
    }
    if dialogue.isDecided { lastMoment = min(lastMoment, ContinuousClock.now + Self.goodbye) }
    return count
  }

  /// Called by libcurl at least once a second, also while it blocks in a reply.
  private func mustEnd() -> Bool {
    if abort == nil {
      if cancellation.isSet, !dialogue.isDecided {
        abort = .cancelled
      } else if ContinuousClock.now >= lastMoment {
        abort = .deadline
      }
    }
    guard abort != nil else { return false }
    // Ends libcurl's wait for an answer to QUIT as well.
    if descriptor >= 0 { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }
    return true
  }

  private func open(_ address: UnsafeMutablePointer<curl_sockaddr>?) -> curl_socket_t {
    guard let address else { return -1 }
    descriptor = CurlSocket.open(address)
    return descriptor
  }

  private func close(_ socket: curl_socket_t) -> Int32 {
    // With two families tried at once this may be the loser; the other one stays known.
    if socket == descriptor { descriptor = -1 }
    #if canImport(Glibc)
      return Glibc.close(socket)
    #elseif canImport(Musl)
      return Musl.close(socket)
    #else
      return Darwin.close(socket)
    #endif
  }
}
