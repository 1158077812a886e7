package import JobModel
package import ProviderKit

/// What the section `aws` of the configuration says, and what the rest of it means for instances.
package struct AWSProviderSettings: Sendable, Hashable {
  /// Never empty; the first one is preferred among equals.
  package var regions: [String]
  /// In the order of preference; empty leaves the choice to the needs of `hardware`.
  package var instanceTypes: [String]
  package var hardware: HardwareNeeds
  package var bucket: String?
  package var profile: String?
  package var keyName: String?
  package var securityGroup: String?
  package var subnet: String?
  /// Nil takes Amazon Linux 2023 for the processors of the instance type.
  package var image: String?
  package var sshUser: String
  package var rcloneConfigSecret: String?
  /// The file with rclone's configuration on this machine, sent sealed where no secret is named.
  package var rcloneConfigFile: String?
  /// A zip with rclone for images without it, such as Amazon Linux, which has no package of it; nil for packages only.
  package var rcloneArchive: String? = rcloneRelease
  /// SHA-256 of the archive by architecture (`amd64`, `arm64`).
  package var rcloneSums: [String: String] = [:]
  package var diskGigabytes: Int?
  /// Shell patterns of files that are not staged.
  package var excludedInputs: [String] = []
  /// Paths without links in them that are no inputs: the database, for instance.
  package var skippedInputs: Set<String> = []
  package var maximumPrice: HourlyPrice?
  package var sync = SyncSettings()
  package var heartbeatInterval: Duration = .seconds(15)
  /// How often an instance looks for orders.
  package var controlInterval: Duration = .seconds(15)
  package var grace: Duration = .seconds(10)
  /// How many offers are tried one after the other.
  package var tries = 12

  package init(regions: [String], hardware: HardwareNeeds = HardwareNeeds(), sshUser: String = "ec2-user") {
    self.regions = regions
    instanceTypes = []
    self.hardware = hardware
    self.sshUser = sshUser
  }

  /// The version that the tests run (https://rclone.org/downloads/).
  package static let rcloneRelease = "https://downloads.rclone.org/v1.75.2/rclone-v1.75.2-linux-{arch}.zip"

  /// Where the scripts lie on an instance.
  package static let directory = "/var/lib/cloudjobs"
}

/// What a calculation needs of its machine.
package struct HardwareNeeds: Sendable, Hashable {
  package var minimumCores: Int
  package var maximumCores: Int?
  /// In MiB, as providers count.
  package var minimumMemory: Int64
  package var maximumMemory: Int64?
  /// `x86_64` or `arm64`.
  package var architecture: String
  package var minimumGPUs: Int

  package init(
    minimumCores: Int = 1, maximumCores: Int? = nil, minimumMemory: Int64 = 0, maximumMemory: Int64? = nil,
    architecture: String = "x86_64", minimumGPUs: Int = 0
  ) {
    self.minimumCores = minimumCores
    self.maximumCores = maximumCores
    self.minimumMemory = minimumMemory
    self.maximumMemory = maximumMemory
    self.architecture = architecture
    self.minimumGPUs = minimumGPUs
  }
}
