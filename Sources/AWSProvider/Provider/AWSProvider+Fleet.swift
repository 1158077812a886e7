package import JobModel
package import ProviderKit

/// Every instance that carries our tags, in every configured region.
extension AWSProvider: FleetProviding {
  package func fleet(alsoIn regions: Set<String>) async -> FleetAnswer {
    let ec2 = ec2
    let all = Set(settings.regions).union(regions.filter(Self.isRegion))
    // One child a region.
    return await withTaskGroup(of: (String, Result<[EC2Instance], AWSError>).self) { group in
      for region in all {
        group.addTask {
          do throws(AWSError) {
            let found = try await ec2.instances(region: region, filters: [("tag-key", [InstanceTags.job])])
            return (region, .success(found))
          } catch {
            return (region, .failure(error))
          }
        }
      }
      var answer = FleetAnswer()
      for await (region, result) in group {
        switch result {
        case .success(let found): answer.members += found.map(\.member)
        case .failure(let error): answer.failures[region] = error.description
        }
      }
      answer.members.sort { $0.instance.id < $1.instance.id }
      return answer
    }
  }
}

extension EC2Instance {
  /// The instance as its tags tell of it. Anybody can write tags, so what they say is checked.
  package var member: FleetMember {
    let job = tags[InstanceTags.job].flatMap { JobID($0) }
    let attempt = tags[InstanceTags.token].flatMap { token in
      job.flatMap { job in
        token.hasPrefix("\(job)-") ? Int(token.dropFirst("\(job)-".count)) : nil
      }
    }
    return FleetMember(
      provider: .aws, instance: instance, state: known, job: job, attempt: attempt.flatMap { $0 > 0 ? $0 : nil },
      database: tags[InstanceTags.database], name: tags["Name"], launchedAt: launchedAt,
      bucket: tags[InstanceTags.bucket])
  }
}
