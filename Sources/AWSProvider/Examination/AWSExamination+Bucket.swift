/// Whether a bucket can be listed, written, read and cleared.
extension AWSExamination {
  func bucket(_ bucket: String, _ who: String) async -> [AWSFinding] {
    var findings: [AWSFinding] = []
    let subject = "bucket"
    let key = BucketKeys.probe(probeID)
    let place = "s3://\(bucket)/\(key)"
    let content = Array("cloudjobs doctor\n".utf8)
    do throws(AWSError) {
      _ = try await storage.list(bucket, prefix: key)
    } catch {
      if error.code == .notFound {
        return [
          AWSFinding(
            subject, .bad, "there is no bucket \(bucket)",
            remedy: "Make it (docs/aws.md#bucket), or correct aws.s3_bucket")
        ]
      }
      findings.append(.refused(error, subject, action: "s3:ListBucket", who: who))
      guard error.code == .denied else { return findings }
    }
    do throws(AWSError) {
      try await storage.put(bucket, key, .bytes(content))
    } catch {
      findings.append(.refused(error, subject, action: "s3:PutObject", who: who))
      return findings
    }
    do throws(AWSError) {
      if try await storage.get(bucket, key, limit: 4096)?.bytes != content {
        findings.append(
          AWSFinding(
            subject, .bad, "\(place) is not what was just written", remedy: "Look at what else writes to the bucket"))
      }
    } catch {
      findings.append(.refused(error, subject, action: "s3:GetObject", who: who))
    }
    do throws(AWSError) {
      try await storage.delete(bucket, key)
    } catch {
      var finding = AWSFinding.refused(error, subject, action: "s3:DeleteObject", who: who)
      finding.message += "; \(place) stays"
      findings.append(finding)
    }
    let region = storage.region(of: bucket)
    guard findings.isEmpty else { return findings }
    guard settings.regions.contains(region) else {
      return [
        AWSFinding(
          subject, .warning, "\(bucket) is in \(region); it can be listed, written, read and cleared",
          remedy:
            "Inputs go from there to \(settings.regions.joined(separator: ", ")), which AWS charges and which takes longer"
        )
      ]
    }
    return [AWSFinding(subject, .good, "\(bucket) in \(region) can be listed, written, read and cleared")]
  }
}
