/// One of AWS's services, as far as calling it goes.
package struct AWSService: Sendable, Hashable {
  /// In host names and in the credential scope: `secretsmanager`.
  package var name: String
  /// In `AWS_ENDPOINT_URL_…` and, in small letters, in the `services` section of the configuration file.
  package var settingName: String
  /// Of the Query protocol; empty for other protocols.
  package var version: String
  /// Whether there is one endpoint for all regions of a partition, in this region.
  package var onlyRegion: String?

  private init(_ name: String, settingName: String, version: String = "", onlyRegion: String? = nil) {
    self.name = name
    self.settingName = settingName
    self.version = version
    self.onlyRegion = onlyRegion
  }

  package static let ec2 = AWSService("ec2", settingName: "EC2", version: "2016-11-15")
  package static let sts = AWSService("sts", settingName: "STS", version: "2011-06-15")
  package static let s3 = AWSService("s3", settingName: "S3")
  package static let ssm = AWSService("ssm", settingName: "SSM")
  package static let secretsManager = AWSService("secretsmanager", settingName: "SECRETS_MANAGER")
  package static let costExplorer = AWSService("ce", settingName: "COST_EXPLORER", onlyRegion: "us-east-1")
}
