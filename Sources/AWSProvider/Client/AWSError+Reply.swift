internal import Foundation
internal import JobModel
internal import Transport

/// What a service says in a refusal, whichever of AWS's shapes it has.
struct ServiceRefusal: Sendable, Hashable {
  var code: String
  var message: String
  var requestID: String?
  /// S3 names it when a bucket is elsewhere.
  var region: String?

  /// Reads the body and the headers of a refusal. Nil if it is none of AWS's: something else has answered.
  init?(_ response: HTTPResponse) {
    let requestID = response.header("x-amzn-requestid") ?? response.header("x-amz-request-id")
    let region = response.header("x-amz-bucket-region")
    if let node = try? XMLReader.read(response.body), let refusal = Self(node) {
      self = refusal
      self.requestID = refusal.requestID ?? requestID
      self.region = refusal.region ?? region
      return
    }
    let members = (try? JSONDecoder().decode(JSONValue.self, from: Data(response.body)))?.object
    let name = response.header("x-amzn-errortype") ?? members?["__type"]?.string ?? members?["code"]?.string
    if let name, !name.isEmpty {
      // `aws.protocoltests#Name:http://…`
      let code = name.split(separator: ":").first?.split(separator: "#").last.map(String.init) ?? name
      self.init(
        code: code, message: members?["message"]?.string ?? members?["Message"]?.string ?? "", requestID: requestID,
        region: region)
      return
    }
    // S3 answers HEAD without a body.
    guard response.body.isEmpty, requestID != nil || region != nil else { return nil }
    self.init(code: "", message: "", requestID: requestID, region: region)
  }

  /// From an XML body: EC2's `Response/Errors/Error`, `ErrorResponse/Error` of STS and others, S3's `Error`.
  init?(_ node: XMLNode) {
    let error: XMLNode? =
      switch node.name {
      case "Error": node
      case "ErrorResponse": node["Error"] ?? (node["Code"] != nil ? node : nil)
      default: node["Errors/Error"]
      }
    guard let error, let code = error.text("Code") else { return nil }
    self.init(
      code: code, message: error.text("Message") ?? "",
      requestID: node.text("RequestID") ?? node.text("RequestId") ?? node.text("RequestID"),
      region: error.text("Region"))
  }

  private init(code: String, message: String, requestID: String?, region: String?) {
    self.code = code
    self.message = message
    self.requestID = requestID
    self.region = region
  }
}

extension AWSError {
  /// What an answer other than 2xx to `call` means.
  init(_ response: HTTPResponse, call: String, redactor: Redactor) {
    guard let refusal = ServiceRefusal(response) else {
      let isBusy = response.status >= 500 || response.status == 429
      self.init(
        isBusy ? .unavailable : .unreadable,
        "\(call): HTTP \(response.status), in words that are not AWS's: "
          + redactor.line(response.body, limit: 120),
        remedy: "Look at what answers in its place: a proxy, or the endpoint that is configured.",
        status: response.status, retryAfter: response.retryAfter, mayHaveHappened: response.status >= 500)
      return
    }
    self.init(refusal, status: response.status, call: call, redactor: redactor)
    retryAfter = response.retryAfter
  }

  init(_ refusal: ServiceRefusal, status: Int, call: String, redactor: Redactor) {
    let code = Self.code(refusal.code, message: refusal.message, status: status)
    let words = redactor.line(refusal.message, limit: 512)
    let name = Redactor.bounded(Redactor.printable(refusal.code), limit: 128)
    let detail = [name, words].filter { !$0.isEmpty }.joined(separator: ": ")
    self.init(
      code, "\(call): \(detail.isEmpty ? "HTTP \(status)" : detail)", remedy: Self.remedy(code, name),
      serviceCode: name.isEmpty ? nil : name, serviceMessage: words.isEmpty ? nil : words,
      requestID: refusal.requestID.map { Redactor.bounded(Redactor.printable($0), limit: 128) }, status: status,
      region: refusal.region, mayHaveHappened: code == .unavailable && status >= 500)
  }

  /// The closed code for a service's own. The names are those of the services' documentation ("Error codes for the
  /// Amazon EC2 API", "Error responses" of S3, "Common errors").
  private static func code(_ name: String, message: String, status: Int) -> Code {
    if let code = names[name] { return code }
    if name.contains(".NotFound") || name.hasPrefix("NoSuch") || name.hasSuffix("NotFoundException") {
      return .notFound
    }
    if name.contains("Throttl") || name.hasPrefix("TooManyRequests") { return .throttled }
    if name.hasSuffix("LimitExceeded") || name.hasSuffix("LimitExceededException") { return .quota }
    if name.hasPrefix("Insufficient"), name.contains("Capacity") { return .capacity }
    if name.contains(".Duplicate") || name.contains("AlreadyExists") || name.hasSuffix(".InUse") { return .conflict }
    switch status {
    case 301, 302, 307, 308: return .wrongRegion
    case 401: return .credentials
    case 403: return .denied
    case 404: return .notFound
    case 409: return .conflict
    case 412: return .precondition
    case 429: return .throttled
    case 500...: return .unavailable
    default: return .invalid
    }
  }

  private static let names: [String: Code] = {
    let groups: [(Code, String)] = [
      (
        .throttled,
        """
        RequestLimitExceeded Throttling ThrottlingException ThrottledException RequestThrottled \
        RequestThrottledException TooManyRequestsException BandwidthLimitExceeded SlowDown PriorRequestNotComplete \
        EC2ThrottledException ProvisionedThroughputExceededException TransactionInProgressException
        """
      ),
      (
        .denied,
        """
        UnauthorizedOperation AccessDenied AccessDeniedException OptInRequired Blocked PendingVerification \
        AllAccessDisabled AccountProblem NotSignedUp UnauthorizedAccess OperationNotPermitted
        """
      ),
      (
        .credentials,
        """
        AuthFailure InvalidClientTokenId UnrecognizedClientException InvalidAccessKeyId SignatureDoesNotMatch \
        InvalidSignatureException IncompleteSignature IncompleteSignatureException MissingAuthenticationToken \
        MissingAuthenticationTokenException ExpiredToken ExpiredTokenException InvalidToken TokenRefreshRequired \
        InvalidSecurity
        """
      ),
      (.clock, "RequestExpired RequestTimeTooSkewed"),
      (
        .capacity,
        """
        InsufficientInstanceCapacity InsufficientHostCapacity InsufficientReservedInstanceCapacity InsufficientCapacity \
        InsufficientCapacityOnHost InsufficientVolumeCapacity InsufficientFreeAddressesInSubnet \
        InsufficientAddressCapacity SpotMaxPriceTooLow UnfulfillableCapacity
        """
      ),
      (
        .quota,
        """
        MaxSpotInstanceCountExceeded InstanceLimitExceeded VcpuLimitExceeded VolumeLimitExceeded \
        MaxIOPSLimitExceeded AddressLimitExceeded MaxSpotFleetRequestCountExceeded ServiceQuotaExceededException
        """
      ),
      (
        .conflict,
        """
        IdempotentParameterMismatch IdempotentInstanceTerminated IncorrectInstanceState IncorrectState \
        BucketAlreadyExists BucketAlreadyOwnedByYou OperationAborted ConditionalRequestConflict ResourceExistsException \
        DependencyViolation InvalidObjectState
        """
      ),
      (.precondition, "PreconditionFailed"),
      (.notFound, "ResourceNotFoundException ParameterNotFound NotFound"),
      (
        .wrongRegion,
        "PermanentRedirect TemporaryRedirect Redirect AuthorizationHeaderMalformed IllegalLocationConstraintException"
      ),
      (
        .unavailable,
        """
        InternalError InternalFailure InternalServerError InternalServiceError Unavailable ServiceUnavailable \
        RequestTimeout RequestTimeoutException ServiceUnavailableException
        """
      ),
    ]
    return Dictionary(
      groups.flatMap { code, names in names.split(separator: " ").map { (String($0), code) } },
      uniquingKeysWith: { first, _ in first })
  }()

  private static func remedy(_ code: Code, _ name: String) -> String {
    switch code {
    case .throttled: "It is tried again more slowly; fewer programs that use this account at once also help."
    case .denied: "Ask who administers the account for this permission."
    case .credentials where name.contains("Expired") || name == "TokenRefreshRequired":
      "Log in again, as with `aws sso login`, or renew the credentials."
    case .credentials where name == "AuthFailure":
      "If other regions answer, this one is not enabled for the account: enable it under Account in AWS's console, or take "
        + "it out of aws.regions. Otherwise check the access key and its secret; `aws sts get-caller-identity` tries the same ones."
    case .credentials: "Check the access key and its secret; `aws sts get-caller-identity` tries the same ones."
    case .clock: "Set this machine's clock, as with `timedatectl set-ntp true`."
    case .capacity: "Try another zone, another instance type, or later."
    case .quota: "Ask for more under Service Quotas in AWS's console, or end what runs."
    case .wrongRegion: "Name the region that the bucket is in."
    case .notFound, .invalid, .conflict, .precondition, .unavailable, .unreachable, .unreadable, .configuration,
      .cancelled:
      ""
    }
  }
}
