import JobModel
import ProviderKit
import Testing

@Suite struct ControlOrderTests {
  @Test func readsWhatItWrites() throws {
    let order = ControlOrder(
      terminate: true, finalSync: false, syncAt: Timestamp(milliseconds: 12), beaconURL: "https://h/b?s=1%2F&t='",
      controlURL: "https://h/c", until: Timestamp(milliseconds: 99))
    let text = try order.text()
    #expect(
      text == """
        terminate
        no-final-sync
        sync 12
        beacon-url https://h/b?s=1%2F&t='
        control-url https://h/c
        until 99

        """)
    #expect(ControlOrder(Array(text.utf8)) == order)
    #expect(try ControlOrder().text() == "")
    #expect(ControlOrder([]) == ControlOrder())
    #expect(!"\(order)".contains("https"))
  }

  @Test(arguments: ["https://h/a b", "https://h/\nterminate", "h", "https://h/\""])
  func refusesWhatIsNoAddress(_ url: String) {
    #expect(throws: ProviderError.self) { try ControlOrder(beaconURL: url).text() }
    #expect(throws: ProviderError.self) { try ControlOrder(controlURL: url).text() }
  }

  @Test func takesNothingFromWhatIsNoOrder() {
    #expect(ControlOrder(Array("terminated\nTERMINATE\nsync\nuntil soon\n\u{FFFD}".utf8)) == ControlOrder())
    #expect(ControlOrder([UInt8](repeating: 10, count: ControlOrder.limit + 1)) == nil)
  }
}
