/// What an instance type is, as DescribeInstanceTypes says it.
package struct InstanceType: Sendable, Hashable {
  package var name: String
  package var cores: Int
  /// In MiB.
  package var memory: Int64
  package var architectures: [String]
  package var gpus: Int
  package var gpuName: String?
  package var isSpotOffered: Bool
  package var isBareMetal: Bool

  package init?(_ node: XMLNode) {
    guard let name = node.text("instanceType"), let cores = node.integer("vCpuInfo/defaultVCpus"),
      let memory = node.integer("memoryInfo/sizeInMiB")
    else { return nil }
    self.name = name
    self.cores = Int(cores)
    self.memory = memory
    architectures = node.items("processorInfo/supportedArchitectures").map(\.text)
    let gpus = node.items("gpuInfo/gpus")
    self.gpus = gpus.reduce(0) { $0 + Int($1.integer("count") ?? 0) }
    gpuName = gpus.first?.text("name")
    isSpotOffered = node.items("supportedUsageClasses").contains { $0.text == "spot" }
    isBareMetal = node.bool("bareMetal") ?? false
  }

  package func meets(_ needs: HardwareNeeds) -> Bool {
    isSpotOffered && !isBareMetal && cores >= needs.minimumCores && cores <= needs.maximumCores ?? .max
      && memory >= needs.minimumMemory && memory <= needs.maximumMemory ?? .max
      && architectures.contains(needs.architecture)
      // Whoever asks for no GPU does not want to pay for one.
      && (needs.minimumGPUs == 0 ? gpus == 0 : gpus >= needs.minimumGPUs)
  }
}

extension EC2Client {
  /// The types of a region that meet the needs.
  package func types(_ needs: HardwareNeeds, region: String) async throws(AWSError) -> [InstanceType] {
    let filters = [
      ("processor-info.supported-architecture", [needs.architecture]), ("supported-usage-class", ["spot"]),
      ("bare-metal", ["false"]),
    ]
    var all: [InstanceType] = []
    try await pages("DescribeInstanceTypes", region: region, Self.filters(filters), size: 100) { reply in
      all += reply.items("instanceTypeSet").compactMap { InstanceType($0) }
    }
    return all.filter { $0.meets(needs) }
  }

  /// The types of these names, as far as the region has them.
  package func types(named names: [String], region: String) async throws(AWSError) -> [InstanceType] {
    var all: [InstanceType] = []
    try await pages(
      "DescribeInstanceTypes", region: region, Self.filters([("instance-type", names)]), size: 100
    ) { reply in all += reply.items("instanceTypeSet").compactMap { InstanceType($0) } }
    return all
  }
}
