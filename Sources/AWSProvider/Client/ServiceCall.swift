internal import Transport

/// One call in preparation.
struct ServiceCall: Sendable {
  var service: AWSService
  var region: String
  var action: String
  var options: CallOptions
  var classes: [ThrottleClass] = []
  var request = AWSRequest(.get, Endpoint(host: ""))
  var body: [UInt8] = []
  /// In place of `body`.
  var piece: HTTPRequest.FilePiece?
  /// The file that the answer goes to.
  var destination: String?
  /// What the call is about, for messages: `s3://bucket/key`.
  var subject: String?
  /// Statuses outside of 2xx that are an answer.
  var accepted: Set<Int> = []

  init(service: AWSService, region: String, action: String, options: CallOptions) {
    self.service = service
    self.region = region
    self.action = action
    self.options = options
  }

  var signingRegion: String { service.onlyRegion ?? region }

  /// For messages: `ec2 RunInstances in eu-west-1`.
  var title: String { "\(service.name) \(action) \(subject.map { "of \($0) " } ?? "")in \(region)" }
}
