internal import Crypto
internal import Foundation
package import JobModel

/// One call of RunInstances: everything that an instance is made of. A pure value.
///
/// A call of RunInstances answers at once, with an instance or a refusal, so no request for a spot instance stays open that could
/// be fulfilled when nobody waits any more.
package struct LaunchOrder: Sendable, Hashable, Codable {
  package var candidate: LaunchPlan.Candidate
  package var clientToken: String
  package var image: String
  /// The user data, before it is encoded; at most 16 KB.
  package var userData: String
  package var tags: [String: String]
  package var keyName: String?
  /// `sg-…`, or the name of one in the default network.
  package var securityGroup: String?
  package var subnet: String?
  /// The name of an instance profile, or its ARN.
  package var profile: String?
  /// The root disk in GiB; nil leaves it to the image.
  package var diskGigabytes: Int?
  /// The name of the image's root device.
  package var rootDevice: String
  /// The most that EC2 may charge an hour, in microdollars; nil for the on-demand price.
  package var maximumPrice: Int64?
  package var isSpot: Bool

  package init(
    candidate: LaunchPlan.Candidate, clientToken: String, image: String, userData: String, tags: [String: String],
    keyName: String? = nil, securityGroup: String? = nil, subnet: String? = nil, profile: String? = nil,
    diskGigabytes: Int? = nil, rootDevice: String = Self.amazonLinuxRoot, maximumPrice: HourlyPrice? = nil,
    isSpot: Bool = true
  ) {
    self.candidate = candidate
    self.clientToken = clientToken
    self.image = image
    self.userData = userData
    self.tags = tags
    self.keyName = keyName
    self.securityGroup = securityGroup
    self.subnet = subnet
    self.profile = profile
    self.diskGigabytes = diskGigabytes
    self.rootDevice = rootDevice
    self.maximumPrice = maximumPrice?.microdollars
    self.isSpot = isSpot
  }

  /// Of Amazon Linux.
  package static let amazonLinuxRoot = "/dev/xvda"

  /// The token that makes a repeated call name the same instance.
  ///
  /// It holds the zone and the type: EC2 takes the same token in another zone for another launch, and in the same zone with other
  /// parameters for a mistake (https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html). At most 64
  /// characters.
  package static func clientToken(
    database: String, attempt token: String, candidate: LaunchPlan.Candidate, index: Int
  ) -> String {
    let text = [database, token, candidate.region, candidate.zone ?? "-", candidate.type, String(index)]
      .joined(separator: "\n")
    let digest = SHA256.hash(data: Data(text.utf8)).prefix(16).map {
      String($0 >> 4, radix: 16) + String($0 & 15, radix: 16)
    }
    return "cloudjobs-\(digest.joined())"
  }

  /// The parameters of the call, in the order in which EC2's own tools send them.
  package var parameters: [(String, String)] {
    var all = [
      ("ImageId", image), ("InstanceType", candidate.type), ("MinCount", "1"), ("MaxCount", "1"),
      ("ClientToken", clientToken),
    ]
    func add(_ name: String, _ value: String?) { if let value { all.append((name, value)) } }
    add("KeyName", keyName)
    add("SubnetId", subnet)
    add("Placement.AvailabilityZone", subnet == nil ? candidate.zone : nil)
    if let securityGroup {
      add(securityGroup.hasPrefix("sg-") ? "SecurityGroupId.1" : "SecurityGroup.1", securityGroup)
    }
    add("UserData", Data(userData.utf8).base64EncodedString())
    // Otherwise an instance that switches itself off would stop, and its disk would cost for ever.
    add("InstanceInitiatedShutdownBehavior", "terminate")
    if let profile { add(profile.hasPrefix("arn:") ? "IamInstanceProfile.Arn" : "IamInstanceProfile.Name", profile) }
    // What bursts is not charged beyond the spot price: by default these types buy more processor time when they have used theirs up
    // (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-performance-instances-unlimited-mode.html).
    if candidate.type.wholeMatch(of: /t[0-9]+[a-z]*\..*/) != nil { add("CreditSpecification.CpuCredits", "standard") }
    add("MetadataOptions.HttpTokens", "required")
    add("MetadataOptions.HttpEndpoint", "enabled")
    if let diskGigabytes {
      add("BlockDeviceMapping.1.DeviceName", rootDevice)
      add("BlockDeviceMapping.1.Ebs.VolumeSize", String(diskGigabytes))
      add("BlockDeviceMapping.1.Ebs.VolumeType", "gp3")
      add("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "true")
    }
    if isSpot {
      add("InstanceMarketOptions.MarketType", "spot")
      add("InstanceMarketOptions.SpotOptions.SpotInstanceType", "one-time")
      add("InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior", "terminate")
      add(
        "InstanceMarketOptions.SpotOptions.MaxPrice",
        maximumPrice.map { Money(microdollars: $0).plain(decimals: 6) })
    }
    let kinds = ["instance", "volume"] + (isSpot ? ["spot-instances-request"] : [])
    for (index, kind) in kinds.enumerated() {
      add("TagSpecification.\(index + 1).ResourceType", kind)
      for (place, tag) in tags.sorted(by: { $0.key < $1.key }).enumerated() {
        add("TagSpecification.\(index + 1).Tag.\(place + 1).Key", tag.key)
        add("TagSpecification.\(index + 1).Tag.\(place + 1).Value", tag.value)
      }
    }
    return all
  }
}

/// The tags by which an instance is known as ours, and whose it is.
package enum InstanceTags {
  package static let job = "cloudjobs:job"
  package static let token = "cloudjobs:token"
  package static let database = "cloudjobs:database"
  package static let bucket = "cloudjobs:bucket"

  /// Tags of an attempt's instance. Values are at most 256 characters, as EC2 wants it.
  package static func all(job: JobID, token: String, database: String, bucket: String, name: String) -> [String: String]
  {
    let shown = String(name.unicodeScalars.filter { $0.properties.generalCategory != .control }.prefix(200))
    return [
      Self.job: job.rawValue, Self.token: token, Self.database: database, Self.bucket: bucket,
      "Name": "\(shown) (cloudjobs \(job.rawValue))",
    ]
  }
}
