internal import Transport

/// One request to S3, before it is known where the bucket is.
struct S3Request: Sendable {
  var method: HTTPRequest.Method
  /// As S3's API calls it.
  var action: String
  var bucket: String
  /// Nil for requests to the bucket itself.
  var key: String?
  var query: [AWSRequest.Field] = []
  var headers: [AWSRequest.Field] = []
  var body: S3Body? {
    didSet { options = Self.options(bytes: body?.length ?? 0) }
  }
  var destination: String?
  var accepted: Set<Int> = []
  var options = S3Request.options(bytes: 0)

  init(_ method: HTTPRequest.Method, _ action: String, _ bucket: String, _ key: String?) {
    self.method = method
    self.action = action
    self.bucket = bucket
    self.key = key
  }

  var subject: String { "s3://\(bucket)/\(Redactor.bounded(Redactor.printable(key ?? ""), limit: 200))" }
  var title: String { "s3 \(action) of \(subject)" }

  /// Time for a slow line: 50 KB a second, which is less than any on which staging makes sense. One that stands still
  /// is noticed earlier, by the transport.
  private static func options(bytes: Int64) -> CallOptions {
    let transfer = Duration.seconds(bytes / 50_000)
    return CallOptions(isIdempotent: true, deadline: .seconds(180) + transfer * 3, tryTimeout: .seconds(60) + transfer)
  }
}
