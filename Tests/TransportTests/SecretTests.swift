import Testing

@testable import Transport

@Suite("Secrets and redaction")
struct SecretTests {
  @Test("a secret prints as dots, however it is printed")
  func prints() {
    struct Holder {
      var secret = Secret("hunter2")
      var list = [Secret("hunter2")]
    }
    let secret = Secret("hunter2")
    var dumped = ""
    dump(Holder(), to: &dumped)
    let texts = [
      "\(secret)", String(describing: secret), String(reflecting: secret), "\(Holder())", String(reflecting: Holder()),
      "\(Optional(secret) as Any)", dumped, "\(Mirror(reflecting: secret).children.map(\.value))",
    ]
    for text in texts { #expect(!text.contains("hunter2"), "\(text)") }
    #expect("\(secret)" == "•••")
    #expect(secret.reveal() == "hunter2")
    #expect(!((secret as Any) is any Encodable))
  }

  @Test(
    "masks what could be a key in any URL of a text",
    arguments: [
      ("see http://host/path for more", "see http://host/path for more"),
      ("http://user:pw@host:8080/x?sig=abc#frag", "http://•••@host:8080/x?•••"),
      ("https://hooks.test/services/T0AB12CD9/xYzAbCdEfGh", "https://hooks.test/services/•••/•••"),
      ("<https://h/a?b>, \"https://h/#c\"", "<https://h/a?•••>, \"https://h/#•••\""),
      ("to http://[::1]:80/secret0123 now", "to http://[::1]:80/••• now"),
      ("https://api.test/bot123456:ABCdefGHI/send", "https://api.test/•••/send"), ("no url: a://", "no url: a://"),
      ("://", "•••"),
    ])
  func urls(_ text: String, _ expected: String) {
    #expect(Redactor().mask(text) == expected)
  }

  @Test("masks known secrets, whole and in the parts that a server may repeat")
  func known() {
    let redactor = Redactor([
      Secret("https://u:passw0rd@h.test/hook/abcdefgh?key=wxyz1234"), Secret("Bearer tok-tok-tok"), Secret("abc"),
    ])
    for part in ["passw0rd", "abcdefgh", "wxyz1234", "tok-tok-tok", "/hook/abcdefgh"] {
      #expect(!redactor.mask("server said \(part)!").contains(part))
    }
    // Three characters could be anything.
    #expect(redactor.mask("abc") == "abc")
  }

  @Test("lines are one line, bounded, and cut after masking")
  func lines() {
    let redactor = Redactor([Secret("0123456789")])
    let line = redactor.line("a\r\n\u{0}\u{1B}[31mb\u{2028}c\u{202E}d", limit: 100)
    #expect(line == "a [31mb c d")
    let cut = redactor.line(String(repeating: "x", count: 95) + "0123456789", limit: 100)
    #expect(cut.utf8.count <= 100)
    #expect(!cut.contains("0"))
    #expect(redactor.line([0xFF, 0xFE, 65], limit: 100) == "\u{FFFD}\u{FFFD}A")
    for limit in 4..<40 {
      #expect(Redactor.bounded(String(repeating: "🧪é", count: 20), limit: limit).utf8.count <= limit)
    }
  }

  @Test("origin tells where, and nothing else")
  func origin() {
    #expect(Redactor.origin(of: "https://u:p@hooks.test:8443/a/b?c=d") == "https://hooks.test:8443/•••")
    #expect(Redactor.origin(of: "https://hooks.test") == "https://hooks.test")
    #expect(Redactor.origin(of: "what") == "•••")
  }
}

@Suite("Address rule")
struct AddressRuleTests {
  @Test(
    "knows private and special addresses",
    arguments: [
      ("0.0.0.0", true), ("10.255.255.255", true), ("11.0.0.0", false), ("100.63.255.255", false), ("100.64.0.1", true),
      ("100.127.255.255", true), ("100.128.0.0", false), ("127.0.0.1", true), ("128.0.0.1", false),
      ("169.254.169.254", true), ("169.253.0.1", false), ("172.15.0.1", false), ("172.16.0.1", true),
      ("172.31.0.1", true),
      ("172.32.0.1", false), ("192.168.1.1", true), ("192.167.1.1", false), ("198.18.0.1", true), ("198.20.0.1", false),
      ("203.0.113.9", true), ("224.0.0.1", true), ("255.255.255.255", true), ("8.8.8.8", false), ("::", true),
      ("::1", true),
      ("::ffff:127.0.0.1", true), ("::ffff:8.8.8.8", false), ("64:ff9b::a00:1", true), ("64:ff9b::808:808", false),
      ("2002:a00:1::", true), ("2002:808:808::", false), ("fc00::1", true), ("fd12::1", true), ("fe80::1", true),
      ("ff02::1", true), ("2001:db8::1", true), ("2001::1", true), ("2606:4700::1111", false), ("", true), ("x", true),
    ])
  func rule(_ text: String, _ isPrivate: Bool) {
    #expect(AddressRule.isPrivate(CurlSocket.bytes(printed: text)) == isPrivate)
  }
}

@Suite("Loading libcurl")
struct LoadingTests {
  @Test("making clients and refusing requests loads nothing; the first request does")
  func lazy() async {
    await #expect(processExitsWith: .success) {
      let http = HTTPClient()
      let smtp = SMTPClient()
      await fails(.invalidRequest) { try await http.send(HTTPRequest(.get, "file:///etc/passwd")) }
      await http.shutdown()
      await smtp.shutdown()
      #expect(!Curl.isLoaded)
      let other = HTTPClient()
      await fails(.refusedAddress) { try await other.send(HTTPRequest(.get, "http://127.0.0.1:1/")) }
      #expect(Curl.isLoaded)
    }
  }
}
