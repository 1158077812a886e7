/// Finds the machine image of a region, as Amazon publishes it.
package actor ImageCatalog {
  private let client: AWSClient
  private var known: [String: String] = [:]

  package init(client: AWSClient) { self.client = client }

  private struct Question: Encodable, Sendable {
    var name: String
    enum CodingKeys: String, CodingKey { case name = "Name" }
  }
  private struct Answer: Decodable {
    struct Parameter: Decodable {
      var value: String
      enum CodingKeys: String, CodingKey { case value = "Value" }
    }
    var parameter: Parameter
    enum CodingKeys: String, CodingKey { case parameter = "Parameter" }
  }

  /// The newest Amazon Linux 2023 for these processors
  /// (https://docs.aws.amazon.com/linux/al2023/ug/ec2.html#launch-from-aws-cli).
  package func amazonLinux(architecture: String, region: String) async throws(AWSError) -> String {
    let key = "\(region)/\(architecture)"
    if let image = known[key] { return image }
    let answer: Answer = try await client.callJSON(
      .ssm, region: region, target: "AmazonSSM.GetParameter",
      body: Question(name: "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-\(architecture)"))
    known[key] = answer.parameter.value
    return answer.parameter.value
  }
}
