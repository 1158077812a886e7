import TestSupport
import Testing

@testable import Transport

@Suite("Retry policy")
struct RetryPolicyTests {
  @Test("pauses are spread from nothing to a bound that doubles up to the cap")
  func jitter() {
    let policy = RetryPolicy(base: .seconds(2), cap: .seconds(60), maxTries: 1000, maxAge: .seconds(1_000_000))
    #expect((1...8).map { policy.ceiling(afterTry: $0) } == [2, 4, 8, 16, 32, 60, 60, 60].map { .seconds($0) })
    #expect(policy.ceiling(afterTry: .max) == .seconds(60))
    var generator = SeededGenerator(seed: 3)
    for tries in [1, 4, 9, 999] {
      let bound = policy.ceiling(afterTry: tries)
      let pauses = (0..<500).compactMap { _ -> Duration? in
        guard case .wait(let pause) = policy.next(afterTry: tries, age: .zero, using: &generator) else { return nil }
        return pause
      }
      #expect(pauses.count == 500)
      #expect(pauses.allSatisfy { $0 >= .zero && $0 <= bound })
      #expect(pauses.contains { $0 < bound / 10 } && pauses.contains { $0 > bound * 9 / 10 })
    }
  }

  @Test("never comes back earlier than the server asked, and hardly later")
  func retryAfter() {
    let policy = RetryPolicy(base: .milliseconds(10), cap: .seconds(1))
    var generator = SeededGenerator(seed: 4)
    for (asked, least) in [(Duration.seconds(30), 30), (.zero, 1), (.seconds(-90), 1), (.seconds(9_999_999), 21_600)] {
      for _ in 0..<200 {
        let verdict = policy.next(afterTry: 1, age: .zero, retryAfter: asked, using: &generator)
        guard case .wait(let pause) = verdict else {
          Issue.record("\(verdict)")
          return
        }
        #expect(pause >= .seconds(least) && pause <= .milliseconds(least * 1100))
      }
    }
  }

  @Test("ends after so many tries or so much time")
  func dead() {
    let policy = RetryPolicy(maxTries: 3, maxAge: .seconds(7200))
    var generator = SeededGenerator(seed: 5)
    #expect(policy.next(afterTry: 3, age: .zero, using: &generator) == .dead("given up after 3 tries"))
    #expect(policy.next(afterTry: 1, age: .seconds(7200), using: &generator) == .dead("given up after 2 h"))
    guard case .wait = policy.next(afterTry: 2, age: .seconds(7199), using: &generator) else {
      Issue.record("given up too early")
      return
    }
  }
}

@Suite("Retry-After")
struct RetryAfterTests {
  /// Sun, 06 Nov 1994 08:49:37 GMT
  static let now: Int64 = 784_111_777

  @Test(
    "reads every form a server may send and clamps it",
    arguments: [
      ("7", .seconds(7)), (" 120 ", .seconds(120)), ("0", .seconds(1)), ("0.3", .seconds(1)),
      ("64.57", .milliseconds(64_570)), ("99999999999", .seconds(21_600)), (String(repeating: "9", count: 400), nil),
      ("1e9", nil), ("-5", nil), ("+5", nil), ("7 s", nil), ("soon", nil), ("", nil), ("1.2.3", nil), ("NaN", nil),
      ("Sun, 06 Nov 1994 08:50:37 GMT", .seconds(60)), ("Sunday, 06-Nov-94 08:50:37 GMT", .seconds(60)),
      ("Sun Nov  6 08:50:37 1994", .seconds(60)), ("Sun, 06 Nov 1994 08:00:00 GMT", .seconds(1)),
      ("Tue, 29 Feb 2028 00:00:00 GMT", .seconds(21_600)), ("Sun, 06 Nov 1994 25:00:00 GMT", nil),
      ("Sun, 06 Foo 1994 08:50:37 GMT", nil), ("Sun, 06 Nov 1994 08:50:37", nil),
    ] as [(String, Duration?)])
  func parse(_ text: String, _ expected: Duration?) {
    #expect(RetryAfter.parse(text, now: Self.now) == expected)
  }

  @Test("HTTP dates are right across leap years and the epoch")
  func dates() {
    #expect(HTTPDate.parse("Thu, 01 Jan 1970 00:00:00 GMT") == 0)
    #expect(HTTPDate.parse("Sun, 06 Nov 1994 08:49:37 GMT") == Self.now)
    #expect(HTTPDate.parse("Tue, 29 Feb 2000 12:00:00 GMT") == 951_825_600)
    #expect(HTTPDate.parse("Wed, 01 Mar 2000 00:00:00 GMT") == 951_868_800)
    #expect(HTTPDate.parse("Mon, 23 Nov 2026 00:45:06 GMT") == 1_795_394_706)
  }
}
