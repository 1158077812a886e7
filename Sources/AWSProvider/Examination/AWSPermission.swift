/// Something that credentials must be allowed, for which calls, and why. docs/aws.md has the same as policies.
package struct AWSPermission: Sendable, Hashable {
  /// As policies name it.
  package var action: String
  /// The calls that need it, as the API names them. Empty where it comes along with another call, or is used by instances.
  package var calls: [String]
  package var why: String

  private init(_ action: String, _ calls: [String], _ why: String) {
    self.action = action
    self.calls = calls
    self.why = why
  }

  /// What launching, watching and ending jobs needs.
  package static let user: [AWSPermission] = [
    AWSPermission("ec2:RunInstances", ["RunInstances"], "launches the instances"),
    AWSPermission("ec2:CreateTags", [], "tags an instance in the call that launches it, by which it is found again"),
    AWSPermission("ec2:DescribeInstances", ["DescribeInstances"], "sees what they do, and finds leaked ones"),
    AWSPermission("ec2:TerminateInstances", ["TerminateInstances"], "ends them"),
    AWSPermission(
      "ec2:CancelSpotInstanceRequests", ["CancelSpotInstanceRequests"], "withdraws the request of an ended instance"),
    AWSPermission("ec2:DescribeInstanceTypes", ["DescribeInstanceTypes"], "finds the types that meet `hardware`"),
    AWSPermission("ec2:DescribeSpotPriceHistory", ["DescribeSpotPriceHistory"], "knows what they cost, now and later"),
    AWSPermission(
      "ec2:DescribeImages", ["DescribeImages"], "knows the root disk of `aws.ami_id`, whose size `aws.disk_gb` sets"),
    AWSPermission("ec2:DescribeSubnets", ["DescribeSubnets"], "knows the zone of `aws.subnet_id`"),
    AWSPermission("ssm:GetParameter", ["GetParameter"], "finds the newest image of Amazon Linux"),
    AWSPermission(
      "s3:ListBucket", ["ListObjectsV2"],
      "sees in one call which instances have news; without it a missing object looks like a forbidden one"),
    AWSPermission(
      "s3:GetObject", ["GetObject", "HeadObject"], "reads launch plans and beacons; instances fetch inputs"),
    AWSPermission(
      "s3:PutObject", ["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"],
      "stores inputs and orders; instances write their beacons"),
    AWSPermission(
      "s3:DeleteObject", ["DeleteObject", "DeleteObjects"], "removes what is not needed any more; instances too"),
    AWSPermission("s3:AbortMultipartUpload", ["AbortMultipartUpload"], "removes the parts of an upload that failed"),
    AWSPermission("s3:ListMultipartUploadParts", ["ListParts"], "goes on with the upload of a large file"),
    AWSPermission("s3:ListBucketMultipartUploads", ["ListMultipartUploads"], "finds uploads that were interrupted"),
  ]

  /// With `aws.iam_role`.
  package static let role: [AWSPermission] = [
    AWSPermission("iam:PassRole", [], "gives the role of `aws.iam_role` to an instance")
  ]

  /// What only `doctor` asks. Who he is everybody may ask; it needs no permission.
  package static let doctor: [AWSPermission] = [
    AWSPermission("ec2:DescribeKeyPairs", ["DescribeKeyPairs"], "looks whether `aws.key_name` exists"),
    AWSPermission(
      "ec2:DescribeSecurityGroups", ["DescribeSecurityGroups"], "looks whether `aws.security_group` exists"),
    AWSPermission("sts:GetCallerIdentity", ["GetCallerIdentity"], "says whose credentials are used"),
  ]

  /// What an instance may need of its own role.
  package static let instance: [AWSPermission] = [
    AWSPermission(
      "secretsmanager:GetSecretValue", [], "reads the rclone.conf that `aws.rclone_config_secret` names"),
    AWSPermission("s3:GetObject", [], "reads its orders when its addresses hold no more"),
    AWSPermission("s3:PutObject", [], "writes its beacon then"),
  ]
}
