internal import Crypto
internal import Foundation
internal import JobModel
internal import Transport

/// Reads what S3 answers, and writes what it wants as XML. Pure functions.
enum S3Reply {
  static func info(_ response: HTTPResponse, size: Int64) -> S3ObjectInfo {
    var metadata: [String: String] = [:]
    for field in response.fields where field.name.lowercased().hasPrefix("x-amz-meta-") {
      metadata[String(field.name.lowercased().dropFirst(11))] = field.value
    }
    return S3ObjectInfo(
      size: size, etag: etag(response.header("ETag")),
      modified: response.header("Last-Modified").flatMap { HTTPDate.parse($0) }.map { Timestamp(seconds: $0) },
      metadata: metadata, sha256: response.header("x-amz-checksum-sha256").flatMap(digest))
  }

  static func etag(_ text: String?) -> String { (text ?? "").filter { $0 != "\"" } }

  /// A SHA-256 in base64; nil for one that was made of parts.
  static func digest(_ text: String) -> SHA256Digest? {
    guard let bytes = Data(base64Encoded: text), bytes.count == 32 else { return nil }
    return SHA256Digest(bytes: Array(bytes))
  }

  /// A page of ListObjectsV2.
  static func page(_ node: XMLNode, title: String) throws(AWSError) -> S3Page {
    let isEncoded = node.text("EncodingType") == "url"
    var objects: [StoredObject] = []
    for item in node.all("Contents") {
      guard let raw = item.text("Key"), let key = isEncoded ? decoded(raw) : raw, let size = item.integer("Size") else {
        throw AWSError(.unreadable, "\(title): an entry of the listing can't be read")
      }
      objects.append(
        StoredObject(
          key: key, size: size, etag: etag(item.text("ETag")),
          modified: item.date("LastModified") ?? Timestamp(seconds: 0)))
    }
    let next = node.bool("IsTruncated") == true ? node.text("NextContinuationToken") : nil
    return S3Page(objects: objects, next: next)
  }

  /// `encoding-type=url` writes a blank as a plus sign.
  static func decoded(_ text: String) -> String? {
    PercentEncoding.decode(String(text.map { $0 == "+" ? " " : $0 }))
  }

  static func deletion(_ keys: [String]) -> [UInt8] {
    let objects = keys.map { "<Object><Key>\(escaped($0))</Key></Object>" }.joined()
    return Array(
      "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>\(objects)</Delete>".utf8)
  }

  static func completion(_ parts: [S3Part]) -> [UInt8] {
    let list = parts.sorted { $0.number < $1.number }.map { part in
      let sum = part.sha256.map { "<ChecksumSHA256>\($0.base64)</ChecksumSHA256>" } ?? ""
      return "<Part><PartNumber>\(part.number)</PartNumber><ETag>\"\(escaped(part.etag))\"</ETag>\(sum)</Part>"
    }.joined()
    return Array(
      "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\(list)</CompleteMultipartUpload>"
        .utf8)
  }

  /// In base64, as some requests want it beside better checksums.
  static func md5(_ body: [UInt8]) -> String { Data(Insecure.MD5.hash(data: body)).base64EncodedString() }

  /// Whether XML 1.0 can hold `text`.
  static func isWritable(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy { scalar in
      switch scalar.value {
      case 9, 10, 13, 0x20...0xD7FF, 0xE000...0xFFFD, 0x10000...: true
      default: false
      }
    }
  }

  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      // Bare ones would be read as line feeds or be trimmed.
      case "\r", "\n", "\t": result += "&#\(scalar.value);"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
