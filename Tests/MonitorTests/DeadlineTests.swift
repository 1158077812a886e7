import JobModel
import Testing

@testable import Monitor

@Suite("Deadlines")
struct DeadlineTests {
  @Test("Every job comes up once at its latest deadline, and in order")
  func model() {
    var generator = SystemRandomNumberGenerator()
    let ids = (0..<50).map { _ in JobID.random(using: &generator) }
    var deadlines = Deadlines()
    var model: [JobID: Int64] = [:]
    var now: Int64 = 0
    for _ in 0..<20_000 {
      switch Int.random(in: 0..<3) {
      case 0, 1:
        let id = ids.randomElement()!
        let moment: Int64? = Int.random(in: 0..<10) == 0 ? nil : now + Int64.random(in: 1...500)
        deadlines.set(id, moment.map(Timestamp.init(milliseconds:)))
        model[id] = moment
      default:
        now += Int64.random(in: 0...40)
        let due = deadlines.due(at: Timestamp(milliseconds: now))
        let expected = model.filter { $0.value <= now }
        #expect(Set(due) == Set(expected.keys))
        #expect(due.map { expected[$0] ?? 0 } == due.map { expected[$0] ?? 0 }.sorted())
        for id in due { model[id] = nil }
      }
      #expect(deadlines.count == model.count)
    }
  }
}
