/// The calls of EC2 that are needed here, typed.
package struct EC2Client: Sendable {
  package let client: AWSClient

  package init(_ client: AWSClient) { self.client = client }

  // MARK: Instances

  /// Launches one instance. Idempotent by the order's client token.
  package func run(_ order: LaunchOrder) async throws(AWSError) -> EC2Instance {
    let region = order.candidate.region
    let reply = try await client.call(
      .ec2, region: region, action: "RunInstances", parameters: order.parameters, options: .idempotent)
    guard let node = reply.items("instancesSet").first, let instance = EC2Instance(node, region: region) else {
      throw AWSError(
        .unreadable, "ec2 RunInstances in \(region): the answer names no instance", mayHaveHappened: true)
    }
    return instance
  }

  /// Whether the credentials may launch the order: EC2 checks it all, and launches nothing.
  package func probe(_ order: LaunchOrder) async throws(AWSError) {
    do {
      _ = try await client.call(
        .ec2, region: order.candidate.region, action: "RunInstances",
        parameters: order.parameters.filter { $0.0 != "ClientToken" } + [("DryRun", "true")], options: .idempotent)
    } catch {
      guard error.serviceCode == "DryRunOperation" else { throw error }
    }
  }

  /// Whether the credentials may end an instance: EC2 checks it, and ends nothing. That there is none of this id is no refusal.
  package func probeTermination(_ id: String, region: String) async throws(AWSError) {
    do {
      _ = try await client.call(
        .ec2, region: region, action: "TerminateInstances",
        parameters: Self.list("InstanceId", [id]) + [("DryRun", "true")], options: .idempotent)
    } catch {
      guard error.serviceCode == "DryRunOperation" || error.serviceCode?.hasPrefix("InvalidInstanceID") == true else {
        throw error
      }
    }
  }

  /// The instances of these ids, at most 1,000. Ids that EC2 does not know are not in the answer.
  ///
  /// One unknown id makes EC2 refuse the whole call. It names them, so they are left out of the next one.
  package func instances(_ ids: [String], region: String) async throws(AWSError) -> [EC2Instance] {
    var wanted = ids
    for round in 0..<6 where !wanted.isEmpty {
      do {
        let reply = try await client.call(
          .ec2, region: region, action: "DescribeInstances", parameters: Self.list("InstanceId", wanted),
          options: .idempotent)
        return EC2Instance.all(reply, region: region)
      } catch {
        guard error.serviceCode == "InvalidInstanceID.NotFound" || error.serviceCode == "InvalidInstanceID.Malformed",
          round < 5
        else { throw error }
        let unknown = Set(Self.ids(in: error.serviceMessage ?? ""))
        let left = wanted.filter { !unknown.contains($0) }
        guard left.count < wanted.count else { return try await filtered(wanted, region: region) }
        wanted = left
      }
    }
    return []
  }

  /// The same by a filter, which passes unknown ids over, 200 at a time.
  private func filtered(_ ids: [String], region: String) async throws(AWSError) -> [EC2Instance] {
    var found: [EC2Instance] = []
    for start in stride(from: 0, to: ids.count, by: 200) {
      found += try await instances(
        region: region, filters: [("instance-id", Array(ids[start..<min(start + 200, ids.count)]))])
    }
    return found
  }

  /// Instances that a filter fits, all pages.
  package func instances(
    region: String, filters: [(String, [String])]
  ) async throws(AWSError) -> [EC2Instance] {
    var all: [EC2Instance] = []
    try await pages("DescribeInstances", region: region, Self.filters(filters), size: 1000) { reply in
      all += EC2Instance.all(reply, region: region)
    }
    return all
  }

  /// Asks for the end of instances. Those that EC2 does not know any more are passed over: one of them would spare all the others.
  package func terminate(_ ids: [String], region: String) async throws(AWSError) {
    var wanted = ids
    for round in 0..<6 where !wanted.isEmpty {
      do {
        _ = try await client.call(
          .ec2, region: region, action: "TerminateInstances", parameters: Self.list("InstanceId", wanted),
          options: .idempotent)
        return
      } catch {
        guard error.serviceCode == "InvalidInstanceID.NotFound" || error.serviceCode == "InvalidInstanceID.Malformed",
          round < 5
        else { throw error }
        let unknown = Set(Self.ids(in: error.serviceMessage ?? ""))
        let left = wanted.filter { !unknown.contains($0) }
        guard left.count < wanted.count else { break }
        wanted = left
      }
    }
    for id in wanted where wanted.count > 1 {
      do { try await terminate([id], region: region) } catch { if error.code != .notFound { throw error } }
    }
  }

  /// Withdraws spot requests. It does not end their instances.
  package func cancelSpotRequests(_ ids: [String], region: String) async throws(AWSError) {
    guard !ids.isEmpty else { return }
    do {
      _ = try await client.call(
        .ec2, region: region, action: "CancelSpotInstanceRequests", parameters: Self.list("SpotInstanceRequestId", ids),
        options: .idempotent)
    } catch {
      // Requests vanish some hours after their instances.
      guard error.serviceCode == "InvalidSpotInstanceRequestID.NotFound" else { throw error }
    }
  }

  /// The zone of a subnet, or nil if the region has no such subnet.
  package func zone(ofSubnet subnet: String, region: String) async throws(AWSError) -> String? {
    do throws(AWSError) {
      let reply = try await client.call(
        .ec2, region: region, action: "DescribeSubnets", parameters: [("SubnetId.1", subnet)], options: .idempotent)
      return reply.items("subnetSet").first?.text("availabilityZone")
    } catch {
      if error.serviceCode == "InvalidSubnetID.NotFound" { return nil }
      throw error
    }
  }

  /// The name of an image's root device, or nil if the region has no such image.
  package func rootDevice(ofImage image: String, region: String) async throws(AWSError) -> String? {
    do throws(AWSError) {
      let reply = try await client.call(
        .ec2, region: region, action: "DescribeImages", parameters: [("ImageId.1", image)], options: .idempotent)
      return reply.items("imagesSet").first?.text("rootDeviceName")
    } catch {
      // A launch says so in better words.
      if error.serviceCode?.hasPrefix("InvalidAMIID.") == true { return nil }
      throw error
    }
  }

  // MARK: Tools

  /// All pages of a call, each given to `body`.
  package func pages(
    _ action: String, region: String, _ parameters: [(String, String)], size: Int, options: CallOptions = .idempotent,
    _ body: (XMLNode) -> Void
  ) async throws(AWSError) {
    var token: String?
    // A token that repeats itself would go round for ever.
    for _ in 0..<10_000 {
      var all = parameters + [("MaxResults", String(size))]
      if let token { all.append(("NextToken", token)) }
      let reply = try await client.call(
        .ec2, region: region, action: action, parameters: all, options: options)
      body(reply)
      let next = reply.text("nextToken")
      guard let next, next != token else { return }
      token = next
    }
  }

  static func list(_ name: String, _ values: [String]) -> [(String, String)] {
    values.enumerated().map { ("\(name).\($0 + 1)", $1) }
  }

  static func filters(_ filters: [(String, [String])]) -> [(String, String)] {
    filters.enumerated().flatMap { index, filter in
      [("Filter.\(index + 1).Name", filter.0)]
        + filter.1.enumerated().map { ("Filter.\(index + 1).Value.\($0 + 1)", $1) }
    }
  }

  /// The instance ids that a message names: `The instance IDs 'i-1, i-2' do not exist`.
  static func ids(in message: String) -> [String] {
    message.split { !($0.isLetter || $0.isNumber || $0 == "-") }.map(String.init).filter { $0.hasPrefix("i-") }
  }
}
