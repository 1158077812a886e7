import JobModel
import JobStore
import ProviderKit
import TestSupport
import Testing

@testable import Commands

@Suite("When logs --follow ends")
struct EndOfOutputTests {
  private func end(provider: ScriptedProvider = ScriptedProvider(now: { epoch })) throws -> EndOfOutput {
    EndOfOutput(
      reference: try #require(InstanceReference(Samples.job())), provider: provider, policy: SupervisionPolicy())
  }

  private func known(_ state: InstanceState, _ phase: Beacon.Phase?) -> Observation {
    let beacon = phase.map { Beacon(job: "a1b2c3d4", attempt: 1, phase: $0, heartbeatAt: epoch.rawValue) }
    return .known(.init(state: state, beacon: beacon))
  }

  @Test("an instance that is gone or has finished writes no more")
  func over() throws {
    var end = try end()
    for observation in [known(.terminated, nil), known(.stopped, nil), known(.running, .finished)] {
      #expect(end.isOver(observation, now: epoch) == true)
    }
    for observation in [known(.pending, nil), known(.running, .running), known(.stopping, .finishing)] {
      #expect(end.isOver(observation, now: epoch) == false)
    }
  }

  @Test("silence is no news, and absent is not gone until it has lasted")
  func absent() throws {
    var end = try end()
    #expect(end.isOver(nil, now: epoch) == false)
    #expect(end.isOver(.unreachable("timeout"), now: epoch + .seconds(9999)) == false)
    #expect(end.isOver(.absent, now: epoch) == false)
    #expect(end.isOver(.absent, now: epoch + .seconds(59)) == false)
    #expect(end.isOver(known(.running, .running), now: epoch + .seconds(61)) == false)
    #expect(end.isOver(.absent, now: epoch + .seconds(62)) == false)
    #expect(end.isOver(.absent, now: epoch + .seconds(122)) == true)
  }

  @Test("the store is asked first, the provider only now and then, and nothing is written")
  func asking() async throws {
    let provider = ScriptedProvider(now: { epoch })
    var end = try end(provider: provider)
    let store = MemoryStore()
    try await store.insert(Samples.job(), events: [], owner: nil, at: epoch)
    let before = try await store.job(Samples.job().id)
    for second in 0..<10 {
      #expect(try await end.isReached(store, now: epoch + .seconds(Int64(second))) == false)
    }
    // Every two seconds, which is the eager interval.
    #expect(await provider.count(.observe) == 5)
    #expect(try await store.job(Samples.job().id) == before)
    let closed = MemoryStore()
    try await closed.insert(Samples.job("a1b2c3d4", .completed), events: [], owner: nil, at: epoch)
    #expect(try await end.isReached(closed, now: epoch + .seconds(100)) == true)
    #expect(end.isRecorded)
    #expect(await provider.count(.observe) == 5)
  }
}
