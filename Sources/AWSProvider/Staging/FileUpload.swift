internal import Crypto
internal import Foundation
internal import JobModel

/// Brings one file into the bucket, unless it is there.
struct FileUpload: Sendable {
  let file: StagingPlan.File
  let key: String
  let bucket: String
  let client: S3Client
  let lanes: Lanes
  let meter: StagingMeter
  /// Which of the hashing queues.
  let lane: Int
  /// How many parts of one file are on their way at once.
  let width: Int
  /// What lies at the key now.
  let existing: StoredObject?
  /// An upload that was begun earlier.
  let unfinished: S3Upload?

  private static let mtime = "cloudjobs-mtime"
  private static let sha256 = "cloudjobs-sha256"

  private var plan: PartPlan { PartPlan(size: file.facts.size) }

  /// - Returns: the SHA-256 of the whole file.
  func run() async throws(StagingError) -> SHA256Digest {
    do throws(AWSError) {
      if plan.isWhole, let unfinished { try await client.abortUpload(bucket, unfinished) }
    } catch {
      throw StagingError(error)
    }
    return plan.isWhole ? try await whole() : try await inParts(unfinished)
  }

  // MARK: - Small files

  private func whole() async throws(StagingError) -> SHA256Digest {
    let candidate = existing.flatMap { $0.size == file.facts.size ? $0 : nil }
    var hash = try await FileHash.open(file, wantsMD5: candidate != nil, lane: lane)
    defer { hash.close() }
    let piece = try await hash.next(file.facts.size, lane: lane)
    if let candidate, try await isSame(candidate, piece.sha256, etag: piece.md5) {
      try await hash.check(file.facts, lane: lane)
      meter.skip(file.facts.size)
      meter.fileDone(wasSent: false)
      return piece.sha256
    }
    let counter = meter.begin()
    let metadata = [Self.mtime: String(file.facts.modified), Self.sha256: piece.sha256.hex]
    do throws(AWSError) {
      try await inLane { () async throws(AWSError) in
        _ = try await client.put(
          bucket, key,
          .file(path: file.source, offset: 0, length: file.facts.size, sha256: piece.sha256, counter: counter),
          metadata: metadata)
      }
      meter.end(counter, sent: file.facts.size)
    } catch {
      meter.end(counter, sent: nil)
      try await hash.check(file.facts, lane: lane)
      throw StagingError(error)
    }
    try await hash.check(file.facts, lane: lane)
    meter.fileDone(wasSent: true)
    return piece.sha256
  }

  /// Whether what lies there is this file: by its entity tag, else by what was stored with it.
  private func isSame(_ object: StoredObject, _ digest: SHA256Digest?, etag: String) async throws(StagingError) -> Bool
  {
    if !etag.isEmpty, object.etag == etag { return true }
    do throws(AWSError) {
      guard let info = try await client.head(bucket, key), info.size == file.facts.size else { return false }
      if let digest { return info.sha256 == digest || info.metadata[Self.sha256] == digest.hex }
      return info.metadata[Self.mtime] == String(file.facts.modified)
    } catch {
      throw StagingError(error)
    }
  }

  // MARK: - Large files

  private enum Trouble: Error {
    /// What was uploaded earlier is of another file.
    case isOther
    case staging(StagingError)
  }

  private func inParts(_ unfinished: S3Upload?) async throws(StagingError) -> SHA256Digest {
    do throws(Trouble) {
      if let existing, existing.size == file.facts.size, let digest = try await unchanged(existing) { return digest }
      return try await upload(unfinished)
    } catch {
      switch error {
      case .staging(let error): throw error
      case .isOther:
        do throws(AWSError) {
          if let unfinished { try await client.abortUpload(bucket, unfinished) }
        } catch {
          throw StagingError(error)
        }
        do throws(Trouble) {
          return try await upload(nil)
        } catch {
          if case .staging(let error) = error { throw error }
          throw StagingError(.changed, "\(file.source) changed while it was staged", remedy: "Start again.")
        }
      }
    }
  }

  /// The file's hash, if what lies in the bucket is this file.
  private func unchanged(_ object: StoredObject) async throws(Trouble) -> SHA256Digest? {
    do throws(StagingError) {
      var hash = try await FileHash.open(file, wantsMD5: true, lane: lane)
      defer { hash.close() }
      var sums = Insecure.MD5()
      for number in 1...plan.count {
        let piece = try await hash.next(plan.part(number).length, lane: lane)
        sums.update(data: Self.bytes(hex: piece.md5))
      }
      // S3's entity tag of an object that was made of parts.
      let etag = Hex.text(sums.finalize()) + "-\(plan.count)"
      guard try await isSame(object, nil, etag: etag) else { return nil }
      try await hash.check(file.facts, lane: lane)
      meter.skip(file.facts.size)
      meter.fileDone(wasSent: false)
      return hash.digest
    } catch {
      throw .staging(error)
    }
  }

  private func upload(_ unfinished: S3Upload?) async throws(Trouble) -> SHA256Digest {
    do {
      let upload: S3Upload
      var there: [Int: S3Part] = [:]
      if let unfinished {
        upload = unfinished
        for part in try await client.listParts(bucket, unfinished) { there[part.number] = part }
      } else {
        upload = try await client.createUpload(bucket, key, metadata: [Self.mtime: String(file.facts.modified)])
      }
      var hash = try await FileHash.open(file, wantsMD5: !there.isEmpty, lane: lane)
      defer { hash.close() }
      let parts: [S3Part]
      do {
        parts = try await send(upload, there, &hash)
      } catch let error as AWSError {
        // S3 refuses what is not what its hash says: then the file's change is the reason.
        if error.code != .cancelled { try await hash.check(file.facts, lane: lane) }
        throw error
      }
      try await hash.check(file.facts, lane: lane)
      try await client.completeUpload(bucket, upload, parts, size: file.facts.size)
      meter.fileDone(wasSent: true)
      return hash.digest
    } catch let error as Trouble {
      throw error
    } catch let error as StagingError {
      throw .staging(error)
    } catch let error as AWSError {
      // An upload that somebody has thrown away meanwhile is no reason to give up.
      if error.code == .notFound, error.serviceCode == "NoSuchUpload", unfinished != nil { throw .isOther }
      throw .staging(StagingError(error))
    } catch {
      throw .staging(StagingError(.cancelled, "Staging was cancelled", remedy: "Start again; what was sent is kept."))
    }
  }

  /// Hashes part after part and sends, beside, what is not there.
  private func send(_ upload: S3Upload, _ there: [Int: S3Part], _ hash: inout FileHash) async throws -> [S3Part] {
    var done: [S3Part] = []
    var counted: Int64 = 0
    do {
      try await withThrowingTaskGroup(of: S3Part.self) { group in
        var running = 0
        for number in 1...plan.count {
          try Task.checkCancellation()
          let (offset, length) = plan.part(number)
          let piece = try await hash.next(length, lane: lane)
          if let part = there[number] {
            guard part.size == length, part.sha256.map({ $0 == piece.sha256 }) ?? (part.etag == piece.md5) else {
              throw Trouble.isOther
            }
            var part = part
            part.sha256 = piece.sha256
            done.append(part)
            meter.skip(length)
            counted += length
            continue
          }
          if running >= width, let part = try await group.next() {
            done.append(part)
            counted += part.size
            running -= 1
          }
          running += 1
          group.addTask { try await self.send(upload, number, offset, length, piece.sha256) }
        }
        for try await part in group {
          done.append(part)
          counted += part.size
        }
      }
    } catch {
      if case Trouble.isOther = error { meter.restart(counted) }
      throw error
    }
    return done
  }

  private func send(
    _ upload: S3Upload, _ number: Int, _ offset: Int64, _ length: Int64, _ digest: SHA256Digest
  ) async throws(AWSError) -> S3Part {
    let counter = meter.begin()
    do throws(AWSError) {
      let part = try await inLane { () async throws(AWSError) in
        try await client.uploadPart(
          bucket, upload, number: number,
          .file(path: file.source, offset: offset, length: length, sha256: digest, counter: counter))
      }
      meter.end(counter, sent: length)
      return part
    } catch {
      meter.end(counter, sent: nil)
      throw error
    }
  }

  private func inLane<Value: Sendable>(
    _ body: @Sendable () async throws(AWSError) -> Value
  ) async throws(AWSError) -> Value {
    await lanes.enter()
    do throws(AWSError) {
      let value = try await body()
      await lanes.leave()
      return value
    } catch {
      await lanes.leave()
      throw error
    }
  }

  private static func bytes(hex: String) -> Data {
    var bytes = Data()
    var high: UInt8?
    for character in hex {
      let digit = UInt8(character.hexDigitValue ?? 0)
      if let first = high {
        bytes.append(first << 4 | digit)
        high = nil
      } else {
        high = digit
      }
    }
    return bytes
  }
}
