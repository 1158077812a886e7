import Testing

@testable import Transport

@Suite("SMTP dialogue")
struct SMTPDialogueTests {
  private func run(
    _ lines: [String], _ security: SMTPRequest.Security = .plain, needsLogin: Bool = true
  ) -> (SMTPDialogue, SMTPDialogue.Step) {
    var dialogue = SMTPDialogue(security: security, needsLogin: needsLogin)
    for line in lines where dialogue.receive(line) == .noLogin { return (dialogue, .noLogin) }
    return (dialogue, .goOn)
  }

  @Test(
    "a login that is needed and not offered ends it",
    arguments: [
      ["220 hi", "250-x", "250 8BITMIME"], ["220 hi", "250 x"],
      ["220-hi", "220 hi", "250-x", "250-AUTHORITY", "250 AUTH"],
      ["220 hi", "502 no EHLO", "250 x"],
    ])
  func noLogin(_ lines: [String]) {
    #expect(run(lines).1 == .noLogin)
    #expect(run(lines, needsLogin: false).1 == .goOn)
  }

  @Test("only what is offered after STARTTLS counts")
  func startTLS() {
    let before = ["220 hi", "250-x", "250-AUTH PLAIN", "250 STARTTLS", "220 go"]
    #expect(run(before + ["250-x", "250 8BITMIME"], .startTLS).1 == .noLogin)
    #expect(run(["220 hi", "250-x", "250 STARTTLS", "220 go", "250-x", "250 auth=LOGIN"], .startTLS).1 == .goOn)
  }

  @Test("the message may go only after 235")
  func maySend() {
    let offered = ["220 hi", "250-x", "250 AUTH PLAIN"]
    #expect(!run(offered).0.maySend)
    #expect(!run(offered + ["334 "]).0.maySend)
    #expect(run(offered + ["235 ok"]).0.maySend)
    #expect(run(offered, needsLogin: false).0.maySend)
  }

  @Test("the answer to the message is the last word")
  func lastWord() {
    let sent = ["220 hi", "250-x", "250 AUTH PLAIN", "235 ok", "250 from", "250 to", "354 go"]
    #expect(run(sent).0.isUndecided)
    let decided = run(sent + ["250-taken", "250 as 1", "221 bye"]).0
    #expect(decided.isDecided && !decided.isUndecided)
    #expect(decided.lastReply == ["250-taken", "250 as 1"])
    #expect(decided.lastStatus == 250)
  }

  @Test("rubbish is not a reply, and lines without end are not kept")
  func rubbish() {
    let (dialogue, step) = run(["", "x", "25", "hello", "2a0 x"] + Array(repeating: "250-x", count: 10_000))
    #expect(step == .goOn)
    #expect(dialogue.lastReply.isEmpty)
    #expect(!dialogue.maySend)
  }
}
