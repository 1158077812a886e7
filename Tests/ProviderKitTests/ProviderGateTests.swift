import JobModel
import ProviderKit
import TestSupport
import Testing

@Suite struct ProviderGateTests {
  private func reference(_ number: Int) throws -> InstanceReference {
    let id = try #require(JobID("j\(number)"))
    return InstanceReference(
      job: id, attempt: 1, token: Attempt.token(job: id, number: 1),
      instance: Instance(id: "i-\(number)", type: "t", region: "r"))
  }

  private func provider(limit: Int) -> ScriptedProvider {
    ScriptedProvider(observeLimit: limit) { Timestamp(seconds: 0) }
  }

  @Test(.timeLimit(.minutes(1))) func tenThousandAsksNeedFewCalls() async throws {
    let provider = provider(limit: 1000)
    let gate = ProviderGate(provider: provider)
    let references = try (0..<5000).map { try reference($0) }
    await withTaskGroup(of: Void.self) { group in
      for index in 0..<10_000 {
        let reference = references[index % references.count]
        group.addTask {
          let answer = await gate.observe(reference)
          #expect(answer == .absent)
        }
      }
    }
    let calls = await provider.calls
    #expect(calls.allSatisfy { $0.tokens.count <= 1000 })
    #expect(calls.count < 100)
  }

  @Test func whoAsksForWhatIsInFlightSharesTheAnswer() async throws {
    let provider = provider(limit: 1)
    let gate = ProviderGate(provider: provider)
    let reference = try reference(1)
    await provider.hold(.observe)
    async let first = gate.observe(reference)
    await provider.arrival(of: .observe)
    async let second = gate.observe(reference)
    // The second ask is in the actor once another ask behind it was answered by a call of its own.
    async let other = gate.observe(try self.reference(2))
    await provider.arrival(of: .observe, count: 2)
    await provider.set(reference.token, .known(Observation.Report(state: .running)))
    await provider.release(.observe)
    let answers = try await [first, second, other]
    #expect(
      answers == [.known(Observation.Report(state: .running)), .known(Observation.Report(state: .running)), .absent])
    let count = await provider.calls.count { $0.tokens == [reference.token] }
    #expect(count <= 2)
  }

  @Test func onlySoManyCallsAreUnderWay() async throws {
    let provider = provider(limit: 1)
    let gate = ProviderGate(provider: provider, settings: ProviderGate.Settings(observeCalls: 2))
    await provider.hold(.observe)
    try await withThrowingTaskGroup(of: Observation.self) { group in
      for number in 0..<10 {
        let reference = try reference(number)
        group.addTask { await gate.observe(reference) }
      }
      await provider.arrival(of: .observe, count: 2)
      for _ in 0..<100 { await Task.yield() }
      #expect(await provider.count(.observe) == 2)
      await provider.release(.observe)
      for try await answer in group { #expect(answer == .absent) }
    }
    #expect(await provider.count(.observe) == 10)
  }

  @Test func aFailureReachesOnlyThoseItIsFor() async throws {
    let provider = provider(limit: 1)
    let gate = ProviderGate(provider: provider)
    let (good, bad) = (try reference(1), try reference(2))
    await provider.set(good.token, .known(Observation.Report(state: .running)))
    await provider.nextObservations(bad.token, .unreachable("no answer"))
    async let first = gate.observe(good)
    async let second = gate.observe(bad)
    #expect(await first == .known(Observation.Report(state: .running)))
    #expect(await second == .unreachable("no answer"))
  }

  @Test func anInstanceLeftOutIsNoNews() async throws {
    let provider = provider(limit: 10)
    let gate = ProviderGate(provider: provider)
    let reference = try reference(1)
    await provider.leaveOut(reference.token)
    guard case .unreachable(let text) = await gate.observe(reference) else {
      Issue.record("an answer was made up")
      return
    }
    #expect(text.contains("i-1"))
  }

  @Test func onlySoManyActsAreUnderWay() async throws {
    let provider = provider(limit: 1)
    let gate = ProviderGate(provider: provider, settings: ProviderGate.Settings(actCalls: 3))
    await provider.hold(.terminate)
    await withTaskGroup(of: TerminateAnswer.self) { group in
      for number in 0..<9 {
        guard let reference = try? reference(number) else { continue }
        group.addTask { await gate.terminate(reference, finalSync: true) }
      }
      await provider.arrival(of: .terminate, count: 3)
      for _ in 0..<100 { await Task.yield() }
      #expect(await provider.count(.terminate) == 3)
      await provider.release(.terminate)
      for await answer in group { #expect(answer == .accepted) }
    }
    #expect(await provider.count(.terminate) == 9)
  }
}
