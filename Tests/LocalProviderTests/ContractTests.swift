import TestSupport
import Testing

@Suite struct LocalContractTests {
  @Test(arguments: ProviderContract.checks) func holds(_ check: ProviderContract.Check) async throws {
    try await check.run(Ground().world)
  }
}
