internal import JobModel

/// What EC2 allows in a region, and whether what the configuration names is there.
extension AWSExamination {
  func region(_ region: String, _ who: String) async -> [AWSFinding] {
    var findings: [AWSFinding] = []
    var gone: String?
    do throws(AWSError) {
      let ours = try await ec2.instances(region: region, filters: [("tag-key", [InstanceTags.job])])
      gone = ours.first { $0.state == "terminated" }?.id
    } catch {
      let finding = AWSFinding.refused(error, region, action: "ec2:DescribeInstances", who: who)
      // Credentials that are wrong, or a region that does not answer, are told once, not once a call.
      guard error.code == .denied else { return [finding] }
      findings.append(finding)
    }
    let type = await type(region, who, &findings)
    if let type { await price(type.name, region, who, &findings) }
    let image = await image(type, region, who, &findings)
    let things = await things(region, who, &findings)
    if let type, let image { await launch(type.name, image, things, region, who, &findings) }
    await end(gone, region, who, &findings)
    return findings
  }

  // MARK: Offers

  /// The type that is tried: the first configured one that the region has, or any that meets the needs.
  private func type(_ region: String, _ who: String, _ findings: inout [AWSFinding]) async -> InstanceType? {
    do throws(AWSError) {
      guard !settings.instanceTypes.isEmpty else {
        let fitting = try await ec2.types(settings.hardware, region: region)
        if fitting.isEmpty {
          findings.append(
            AWSFinding(
              region, .warning, "no instance type meets the section hardware", remedy: "Ask for less, or name types"))
        }
        return fitting.min { ($0.cores, $0.memory, $0.name) < ($1.cores, $1.memory, $1.name) }
      }
      let found = try await ec2.types(named: settings.instanceTypes, region: region)
      let missing = settings.instanceTypes.filter { name in !found.contains { $0.name == name } }
      if !missing.isEmpty {
        findings.append(
          AWSFinding(
            region, found.isEmpty ? .bad : .warning, "it has no \(missing.joined(separator: ", "))",
            remedy: "Name other types in aws.instance_types. See: cloudjobs prices --region \(region)"))
      }
      return settings.instanceTypes.lazy.compactMap { name in found.first { $0.name == name } }.first
    } catch {
      findings.append(.refused(error, region, action: "ec2:DescribeInstanceTypes", who: who))
      return nil
    }
  }

  private func price(_ type: String, _ region: String, _ who: String, _ findings: inout [AWSFinding]) async {
    do throws(AWSError) {
      let prices = try await SpotPrices(ec2: ec2, now: now).history(types: [type], region: region, from: now())
      if prices.isEmpty {
        findings.append(
          AWSFinding(
            region, .warning, "\(type) has no spot price", remedy: "See: cloudjobs prices --region \(region)"))
      }
    } catch {
      findings.append(.refused(error, region, action: "ec2:DescribeSpotPriceHistory", who: who))
    }
  }

  private func image(
    _ type: InstanceType?, _ region: String, _ who: String, _ findings: inout [AWSFinding]
  ) async -> String? {
    if let named = settings.image { return named }
    let architecture = type?.architectures.first { $0 == "arm64" || $0 == "x86_64" } ?? settings.hardware.architecture
    do throws(AWSError) {
      return try await images.amazonLinux(architecture: architecture, region: region)
    } catch {
      findings.append(.refused(error, region, action: "ssm:GetParameter", who: who))
      return nil
    }
  }

  // MARK: What the configuration names

  /// The named things that may be there: those of which EC2 says that they are not are left out.
  private struct Things {
    var key: String?
    var group: String?
    var subnet: String?
  }

  private func things(_ region: String, _ who: String, _ findings: inout [AWSFinding]) async -> Things {
    var things = Things(key: settings.keyName, group: settings.securityGroup, subnet: settings.subnet)
    if let key = things.key,
      !(await isThere(
        "key pair \(key)", "DescribeKeyPairs", [("KeyName.1", key)], region, who, &findings,
        remedy: "Import your public key there (docs/aws.md#key-pair), or correct aws.key_name"))
    {
      things.key = nil
    }
    if let group = things.group {
      let parameter = group.hasPrefix("sg-") ? "GroupId.1" : "GroupName.1"
      if !(await isThere(
        "security group \(group)", "DescribeSecurityGroups", [(parameter, group)], region, who, &findings,
        remedy: "Make it there (docs/aws.md#security-group), or correct aws.security_group"))
      {
        things.group = nil
      }
    }
    if let subnet = things.subnet,
      !(await isThere(
        "subnet \(subnet)", "DescribeSubnets", [("SubnetId.1", subnet)], region, who, &findings,
        remedy: "A subnet belongs to one region: correct aws.subnet_id, or leave only its region in aws.regions"))
    {
      things.subnet = nil
    }
    return things
  }

  /// False if EC2 says that there is no such thing.
  private func isThere(
    _ thing: String, _ action: String, _ parameters: [(String, String)], _ region: String, _ who: String,
    _ findings: inout [AWSFinding], remedy: String
  ) async -> Bool {
    do throws(AWSError) {
      _ = try await ec2.client.call(
        .ec2, region: region, action: action, parameters: parameters, options: .idempotent)
      findings.append(AWSFinding(region, .good, "\(thing) is there"))
      return true
    } catch {
      let code = error.serviceCode ?? ""
      if code.hasSuffix(".NotFound") || code.hasSuffix(".Malformed") {
        findings.append(AWSFinding(region, .bad, "there is no \(thing)", remedy: remedy))
        return false
      }
      // Of these a launch itself asks only for the subnet.
      findings.append(
        .refused(
          error, region, action: "ec2:\(action)", who: who, result: action == "DescribeSubnets" ? .bad : .warning))
      return true
    }
  }

  // MARK: Launching and ending

  private func launch(
    _ type: String, _ image: String, _ things: Things, _ region: String, _ who: String, _ findings: inout [AWSFinding]
  ) async {
    let candidate = LaunchPlan.Candidate(type: type, region: region, price: 0)
    var order = LaunchOrder(
      candidate: candidate, clientToken: "", image: image, userData: "#!/bin/sh\n",
      tags: [InstanceTags.job: "doctor", InstanceTags.token: "doctor-1", "Name": "cloudjobs doctor"],
      keyName: things.key, securityGroup: things.group, subnet: things.subnet, profile: settings.profile,
      diskGigabytes: settings.diskGigabytes, maximumPrice: settings.maximumPrice)
    if settings.diskGigabytes != nil, settings.image != nil {
      do throws(AWSError) {
        order.rootDevice = try await ec2.rootDevice(ofImage: image, region: region) ?? order.rootDevice
      } catch {
        findings.append(.refused(error, region, action: "ec2:DescribeImages", who: who))
      }
    }
    do throws(AWSError) {
      do throws(AWSError) {
        try await ec2.probe(order)
      } catch {
        // IAM is not asked whether the profile exists; EC2 tells by refusing the launch.
        guard let profile = order.profile, error.serviceCode?.hasPrefix("InvalidParameterValue") == true,
          error.serviceMessage?.lowercased().contains("iaminstanceprofile") == true
        else { throw error }
        findings.append(
          AWSFinding(
            region, .bad, "there is no instance profile \(profile)",
            remedy: "Make it (docs/aws.md#the-role-of-instances), or take aws.iam_role out"))
        order.profile = nil
        try await ec2.probe(order)
      }
      findings.append(AWSFinding(region, .good, "\(type) with \(image) may be launched"))
    } catch {
      findings.append(.refused(error, region, action: "ec2:RunInstances", who: who))
    }
  }

  /// Tries the permission on an instance that is gone, or on one that never was: a real one would be lost if what answers did not
  /// know dry runs.
  private func end(_ gone: String?, _ region: String, _ who: String, _ findings: inout [AWSFinding]) async {
    do throws(AWSError) {
      try await ec2.probeTermination(gone ?? "i-00000000000000000", region: region)
    } catch {
      guard error.code == .denied, gone == nil else {
        findings.append(.refused(error, region, action: "ec2:TerminateInstances", who: who))
        return
      }
      findings.append(
        AWSFinding(
          region, .warning, "\(who) may not do ec2:TerminateInstances on an instance that does not exist",
          remedy: "A policy that allows it for tagged instances only answers like this (docs/aws.md#permissions); "
            + "without any no instance can be ended"))
    }
  }
}
