import Foundation
import JobModel
import Notifiers
import TestSupport
import Testing
import Transport

@Suite("Mail messages")
struct MailMessageTests {
  private func encoded(_ message: AlertMessage = Samples.message) throws -> String {
    let from = try #require(MailAddress("Cloud Jobs <jobs@x.test>"))
    let to = try #require(MailAddress("ops@y.test"))
    return String(decoding: MailFormat.mail(message, from: from, to: [to]).encoded(), as: UTF8.self)
  }

  @Test("has the headers that an automatic mail should have")
  func headers() throws {
    let text = try encoded()
    let head = text.components(separatedBy: "\r\n\r\n")[0].components(separatedBy: "\r\n")
    for line in [
      "From: Cloud Jobs <jobs@x.test>", "To: ops@y.test",
      "Subject: [cloudjobs] critical: Job water (k3v9x2ab) failed", "Date: Mon, 23 Nov 2026 00:45:07 +0000",
      "Message-ID: <d-1-hook@x.test>", "In-Reply-To: <job-k3v9x2ab@x.test>", "References: <job-k3v9x2ab@x.test>",
      "Auto-Submitted: auto-generated", "X-Auto-Response-Suppress: All", "Importance: high", "MIME-Version: 1.0",
    ] {
      #expect(head.contains(line), "\(line)")
    }
    var later = Samples.message
    later.now = later.now + .seconds(600)
    let again = try encoded(later)
    #expect(again.contains("Message-ID: <d-1-hook@x.test>\r\n"))
    #expect(again.contains("00:55:07 +0000"))
  }

  @Test("lets nothing out of a header, and folds and encodes what is long or foreign")
  func injection() throws {
    var message = Samples.message
    message.id = "a>\r\nBcc: evil@z.test\r\n\r\nbody"
    message.alert.title = "Jöb\r\nBcc: evil@z.test\r\n\r\n<script>\u{0} " + String(repeating: "🧪é", count: 90)
    let text = try encoded(message)
    let head = text.components(separatedBy: "\r\n\r\n")[0].components(separatedBy: "\r\n")
    #expect(!head.contains { $0.lowercased().hasPrefix("bcc") })
    #expect(head.allSatisfy { $0.utf8.count <= 78 }, "\(head)")
    #expect(text.utf8.allSatisfy { ($0 >= 32 && $0 < 127) || $0 == 13 || $0 == 10 })
    let html = text.components(separatedBy: "text/html").last ?? ""
    #expect(html.contains("&lt;script&gt;") && !html.contains("<script>"))
  }

  @Test("a very long plain word does not make a long line")
  func longWord() throws {
    var message = Samples.message
    message.alert.title = String(repeating: "x", count: 3000)
    let lines = try encoded(message).components(separatedBy: "\r\n")
    #expect(lines.allSatisfy { $0.utf8.count <= 78 })
  }

  @Test(
    "reads addresses, and only addresses",
    arguments: [
      ("a@x.test", nil, "a@x.test"), ("A B <a@x.test>", "A B", "a@x.test"), ("\"B, A\" <a@x.test>", "B, A", "a@x.test"),
      ("Jörg <j@xn--e1afmkfd.test>", "Jörg", "j@xn--e1afmkfd.test"), ("x\r\nBcc: y <a@x.test>", nil, nil),
      ("a@x.test>", nil, nil), ("<a@x.test", nil, nil), ("A <a@x.test> b", nil, nil),
      ("a@Bücher.日本.test", nil, "a@xn--bcher-kva.xn--wgv71a.test"),
      ("a@cafe\u{301}.test", nil, nil), ("a@-é.test", nil, nil), ("é@x.test", nil, nil), ("\"a b\"@x.test", nil, nil),
      (#""B \"x\" \\ A" <a@x.test>"#, #"B "x" \ A"#, "a@x.test"),
      ("a b@x.test", nil, nil), ("", nil, nil), ("a@x.test\r\nRCPT TO:<e@z.test>", nil, nil),
    ] as [(String, String?, String?)])
  func addresses(_ text: String, _ name: String?, _ address: String?) {
    let read = MailAddress(text)
    #expect(read?.address == address)
    #expect(read?.name == name)
  }
}

@Suite("E-mail notifier against real servers")
struct EmailNotifierTests {
  private let smtp = SMTPClient()

  private func notifier(
    _ port: Int, to: [String] = ["ops@y.test"], timeout: Duration = .seconds(60)
  ) throws -> any Notifier {
    var settings = EmailSettings(host: "127.0.0.1", port: port, security: .plain, from: "Jobs <jobs@x.test>", to: to)
    settings.timeout = timeout
    return try makeNotifier(name: "mail", settings: .email(settings), http: HTTPClient(), smtp: smtp)
  }

  private func messages(_ server: LoopbackServer) throws -> [[String: Any]] {
    try server.records().filter { $0["kind"] as? String == "message" }
  }

  /// What a mail program would show, read by Python's standard library.
  private struct Read: Decodable {
    var headers: [[String]]
    var text: String
    var html: String
    var defects: [String]
    var longest: Int
    var flaws: Int
  }

  private func read(_ contents: [String]) throws -> [Read] {
    let program = """
      import base64, email, email.policy, json, re, sys
      out = []
      for line in sys.stdin:
          raw = base64.b64decode(line)
          message = email.message_from_bytes(raw, policy=email.policy.default)
          defects = [repr(d) for part in message.walk() for d in part.defects]
          plain, html = message.get_body(("plain",)), message.get_body(("html",))
          for part in (plain, html):
              part.get_content()
          flaws = len(re.findall(rb"(?<!\\r)\\n|\\r(?!\\n)|\\x00|[\\x80-\\xff]|^\\.", raw, re.M))
          out.append({
              "headers": [[k, str(v)] for k, v in message.items()], "text": plain.get_content(),
              "html": html.get_content(), "defects": defects, "longest": max(map(len, raw.split(b"\\r\\n"))),
              "flaws": flaws})
      print(json.dumps(out))
      """
    let process = Process()
    process.executableURL = URL(fileURLWithPath: LoopbackServer.python)
    process.arguments = ["-c", program]
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("cloudjobs-mail-\(UUID().uuidString)")
    try (contents.joined(separator: "\n") + "\n").write(to: directory, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(at: directory) }
    process.standardInput = try FileHandle(forReadingFrom: directory)
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let data = output.fileHandleForReading.allPieces()
    process.waitUntilExit()
    return try JSONDecoder().decode([Read].self, from: data)
  }

  @Test("whatever an alert says arrives as it was said, through a real server and a real mail parser")
  func fuzz() async throws {
    var generator = SeededGenerator(seed: 11)
    let pieces = [
      ".", "..", "\r", "\n", "\r\n", "\n.\n", "\r\n.\r\n", "\u{0}", "\t", " ", "  ", "=", "=2E", "From ", "\nFrom x",
      "\n.", "é", "🧪", "👩‍👩‍👧", "\u{FEFF}", "\u{2028}", "<b>", "&amp;", "\"", "'", "--=_cloudjobs", "\u{7F}", "\u{1B}[31m",
      String(repeating: "x", count: 1500), String(repeating: ".", count: 80), "Bcc: evil@z.test\r\n",
      "plain words here",
    ]
    func text(_ count: Int, _ generator: inout SeededGenerator) -> String {
      (0..<Int.random(in: 0...count, using: &generator)).map { _ in pieces.randomElement(using: &generator) ?? "" }
        .joined()
    }
    var sent: [Alert] = []
    try await LoopbackServer.run("smtp_receiver") { server async throws in
      let notifier = try notifier(server.port)
      for number in 0..<120 {
        var message = Samples.message
        message.id = "fuzz-\(number)" + text(2, &generator)
        message.alert.title = "t" + text(12, &generator)
        message.alert.facts = (0..<3).map { Alert.Fact("label \($0)", text(20, &generator)) }
        message.alert.nextCommand = text(3, &generator)
        sent.append(message.alert)
        guard case .delivered = await notifier.deliver(message) else {
          Issue.record("message \(number) was not delivered")
          continue
        }
      }
      let arrived = try read(try messages(server).compactMap { $0["content"] as? String })
      #expect(arrived.count == sent.count)
      for (mail, alert) in zip(arrived, sent) {
        #expect(mail.defects.isEmpty)
        #expect(mail.flaws == 0)
        let names = mail.headers.map { $0[0] }
        #expect(Set(names).count == names.count)
        #expect(!names.contains("Bcc"))
        let title = Redactor.bounded(Redactor.printable(alert.title), limit: 512)
        #expect(
          mail.headers.first { $0[0] == "Subject" }?[1].hasPrefix(
            Redactor.bounded("[cloudjobs] critical: \(title)", limit: 600)) == true)
        for fact in alert.facts {
          let wanted = Self.normal(Redactor.bounded(fact.value, limit: 4096))
          // By scalars: characters at the edges may join with their neighbours.
          #expect(Self.normal(mail.text).range(of: wanted, options: .literal) != nil || wanted.isEmpty)
        }
        #expect(!mail.html.contains("<b>"))
      }
    }
  }

  /// Line ends as LF, controls as U+FFFD: what a mail can say at all.
  private static func normal(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    var previous: Unicode.Scalar = " "
    for scalar in text.unicodeScalars {
      if scalar == "\n", previous == "\r" {
        previous = scalar
        continue
      }
      previous = scalar
      switch scalar {
      case "\r", "\n": result.append("\n")
      case "\t": result.append(scalar)
      case _ where scalar.value < 32 || scalar.value == 127: result.append("\u{FFFD}")
      default: result.append(scalar)
      }
    }
    return String(result)
  }

  @Test("one transaction for each recipient, and only those who have not got it are tried again")
  func recipients() async throws {
    let codes = ["--code", "busy@y.test=451 4.2.0 Later,1", "--code", "gone@y.test=550 5.1.1 Nobody"]
    try await LoopbackServer.run("smtp_receiver", codes) { server async throws in
      let some = try notifier(server.port, to: ["ops@y.test", "busy@y.test", "dev@y.test", "ops@y.test"])
      guard case .retry(let text, let after) = await some.deliver(Samples.message) else {
        Issue.record("not to be tried again")
        return
      }
      #expect(after == nil)
      #expect(text.hasPrefix("2 of 3 recipients have it; busy@y.test: "), "\(text)")
      #expect(await some.deliver(Samples.message) == .delivered("250 2.0.0 Taken as q-1 (3 recipients)"))
      let got = try messages(server).compactMap { $0["recipients"] as? [String] }
      #expect(got == [["ops@y.test"], ["dev@y.test"], ["busy@y.test"]])

      let gone = try notifier(server.port, to: ["gone@y.test", "dev@y.test"])
      guard case .permanent(let why) = await gone.deliver(Samples.message) else {
        Issue.record("not permanent")
        return
      }
      #expect(why.contains("1 of 2 recipients have it; gone@y.test: "))
      #expect(why.contains("550 5.1.1 Nobody"))
    }
  }

  @Test("a silent server costs one time-out, not one for each recipient")
  func silent() async throws {
    try await LoopbackServer.run("smtp_misbehaving", ["--mode", "silent-greeting"]) { server async throws in
      let notifier = try notifier(server.port, to: (0..<5).map { "r\($0)@y.test" }, timeout: .seconds(1))
      guard case .retry = await notifier.deliver(Samples.message) else {
        Issue.record("not to be tried again")
        return
      }
      // A time-out costs a connection.
      func connections() throws -> Int { try server.records().filter { $0["kind"] as? String == "connection" }.count }
      try await eventually("the server has seen it") { try connections() > 0 }
      #expect(try connections() == 1)
    }
  }

  @Test("settings that can't work are refused at once, without their secrets")
  func settings() throws {
    let good = EmailSettings(
      host: "mail.test", username: "u", password: Secret("s3cr3t"), from: "a@x.test", to: ["b@y.test"])
    #expect(good.port == 587)
    var cases = Array(repeating: good, count: 8)
    cases[0].from = "nobody"
    cases[1].to = []
    cases[2].to = ["b@y.test", "c@y.test\r\nDATA"]
    cases[3].password = nil
    cases[4].username = nil
    cases[5].host = "mail.test\r\n"
    cases[6].security = .plain
    cases[7].timeout = .zero
    for (each, key) in zip(cases, ["from", "to", "to[1]", "password", "username", "host", "host", "timeout"]) {
      do throws(NotifierSettingsError) {
        _ = try makeNotifier(name: "ops", settings: .email(each), http: HTTPClient(), smtp: smtp)
        Issue.record("\(key) was accepted")
      } catch {
        #expect(error.key == key)
        #expect(!"\(error)".contains("s3cr3t"))
      }
    }
    let made = try makeNotifier(name: "ops", settings: .email(good), http: HTTPClient(), smtp: smtp)
    #expect(made.destination == "b@y.test via mail.test:587")
    #expect(!"\(good)".contains("s3cr3t"))
  }
}
