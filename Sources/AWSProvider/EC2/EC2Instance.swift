package import JobModel

/// An instance as DescribeInstances and RunInstances show it.
package struct EC2Instance: Sendable, Hashable {
  package var id: String
  /// `pending`, `running`, `shutting-down`, `terminated`, `stopping`, `stopped`.
  package var state: String
  package var type: String
  package var region: String
  package var zone: String?
  package var publicIP: String?
  package var privateIP: String?
  package var spotRequestID: String?
  package var launchedAt: Timestamp?
  /// Why it left the running state, as `Server.SpotInstanceTermination`.
  package var stateReason: String?
  package var stateMessage: String?
  /// `User initiated (2017-09-18 08:22:00 GMT)`.
  package var transition: String?
  package var clientToken: String?
  package var tags: [String: String]

  /// One `item` of an `instancesSet`, or nil if it names no instance.
  package init?(_ node: XMLNode, region: String) {
    guard let id = node.text("instanceId") else { return nil }
    self.id = id
    self.region = region
    state = node.text("instanceState/name") ?? "pending"
    type = node.text("instanceType") ?? ""
    zone = node.text("placement/availabilityZone")
    publicIP = node.text("ipAddress")
    privateIP = node.text("privateIpAddress")
    spotRequestID = node.text("spotInstanceRequestId")
    launchedAt = node.date("launchTime")
    stateReason = node.text("stateReason/code")
    stateMessage = node.text("stateReason/message")
    transition = node.text("reason")
    clientToken = node.text("clientToken")
    tags = Dictionary(
      node.items("tagSet").compactMap { tag in tag.text("key").map { ($0, tag.text("value") ?? "") } },
      uniquingKeysWith: { first, _ in first })
  }

  /// All instances of a reply of DescribeInstances.
  package static func all(_ reply: XMLNode, region: String) -> [EC2Instance] {
    reply.items("reservationSet").flatMap { $0.items("instancesSet") }
      .compactMap { EC2Instance($0, region: region) }
  }

  /// As the rest of the program names it.
  package var instance: Instance {
    Instance(
      id: id, type: type, region: region, zone: zone, publicIP: publicIP, privateIP: privateIP,
      spotRequestID: spotRequestID)
  }

  package var isGone: Bool { state == "terminated" }

  // MARK: What it means for the job

  /// The state in our words. `shutting-down` still costs nothing more, but is not over.
  package var known: InstanceState {
    switch state {
    case "running": .running
    case "shutting-down", "stopping": .stopping
    case "stopped": .stopped
    case "terminated": .terminated
    default: .pending
    }
  }

  /// When it ended, as the transition's text says: `… (2017-09-18 08:22:00 GMT)`.
  package var endedAt: Timestamp? {
    guard known == .terminated || known == .stopping, let transition, let open = transition.lastIndex(of: "("),
      transition.hasSuffix(" GMT)")
    else { return nil }
    let text = transition[transition.index(after: open)...].dropLast(5)
    return Timestamp(iso8601: text.replacing(" ", with: "T") + "Z")
  }

  /// Why it ended, from EC2's state reason codes
  /// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html); nil if they do not tell.
  package var endReason: Reason? {
    guard known == .terminated || known == .stopping || known == .stopped else { return nil }
    switch stateReason {
    case "Server.SpotInstanceTermination", "Server.SpotInstanceShutdown": return .preempted
    case "Server.InsufficientInstanceCapacity": return .capacity
    case "Client.UserInitiatedShutdown", "Client.InstanceTerminated", "Client.UserInitiatedHibernate":
      return .stoppedOutside
    case "Client.InstanceInitiatedShutdown": return .shutDown
    case "Client.InternalError", "Client.VolumeLimitExceeded", "Client.InvalidSnapshot.NotFound",
      "Server.InternalError":
      return .launchError
    case "Server.ScheduledStop": return .stoppedOutside
    default: return nil
    }
  }

  /// What is known of it, with the beacon if one could be read.
  package func report(beacon: Beacon?) -> Observation.Report {
    // A machine that switched itself off when all was said did what it should.
    let reason = endReason == .shutDown && beacon?.isOver == true ? nil : endReason
    // EC2 tells no time for those. The last word of the script comes seconds before.
    let spoken = isGone ? beacon.map { Timestamp(milliseconds: $0.heartbeatAt) } : nil
    return Observation.Report(
      state: known, publicIP: publicIP, privateIP: privateIP, endedAt: endedAt ?? spoken, endReason: reason,
      endMessage: reason == nil ? nil : stateMessage, beacon: beacon)
  }
}
