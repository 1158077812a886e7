/// Finds the machine image of a region, as Amazon publishes it.
package actor ImageCatalog {
  private let client: AWSClient
  private var known: [String: String] = [:]

  package init(client: AWSClient) { self.client = client }

  private struct Question: Encodable, Sendable {
    var Name: String
  }
  private struct Answer: Decodable {
    struct Parameter: Decodable { var Value: String }
    var Parameter: Parameter
  }

  /// The newest Amazon Linux 2023 for these processors
  /// (https://docs.aws.amazon.com/linux/al2023/ug/ec2.html#launch-from-aws-cli).
  package func amazonLinux(architecture: String, region: String) async throws(AWSError) -> String {
    let key = "\(region)/\(architecture)"
    if let image = known[key] { return image }
    let answer: Answer = try await client.callJSON(
      .ssm, region: region, target: "AmazonSSM.GetParameter",
      body: Question(Name: "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-\(architecture)"))
    known[key] = answer.Parameter.Value
    return answer.Parameter.Value
  }
}
