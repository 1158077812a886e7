internal import JobModel
internal import ProviderKit

extension AWSProvider {
  struct TemporaryOrder { var terminate = false }
  func order(_ change: (inout TemporaryOrder) -> Void, to instance: InstanceReference, bucket: String)
    async throws(AWSError)
  {}
  func renewChannels(_ instances: [InstanceReference], _ beacons: [String: Beacon]) async {}
  func material(_ request: LaunchRequest, _ candidate: LaunchPlan.Candidate, _ store: any ObjectStore)
    async throws(AWSError) -> String
  { "#!/bin/sh\n" }
}
