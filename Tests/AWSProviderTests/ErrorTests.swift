import Testing
import Transport

@testable import AWSProvider

@Suite("Refusals in all of AWS's shapes")
struct ErrorTests {
  private func error(_ status: Int, _ body: String, _ headers: [String: String] = [:]) -> AWSError {
    AWSError(
      HTTPResponse(
        status: status, fields: headers.map { .init(name: $0.key, value: $0.value) }, body: Array(body.utf8)),
      call: "s3 GetObject in eu-west-1", redactor: Redactor([]))
  }

  @Test("EC2")
  func ec2() {
    let it = error(
      400,
      "<?xml version=\"1.0\"?><Response><Errors><Error><Code>InvalidInstanceID.NotFound</Code><Message>The instance ID 'i-1' "
        + "does not exist</Message></Error></Errors><RequestID>r-1</RequestID></Response>")
    #expect(it.code == .notFound)
    #expect(it.serviceCode == "InvalidInstanceID.NotFound")
    #expect(it.serviceMessage == "The instance ID 'i-1' does not exist")
    #expect(it.requestID == "r-1")
  }

  @Test("Keys that one region does not take may be those of an account for which it is not enabled")
  func notEnabled() {
    let it = error(
      401,
      "<Response><Errors><Error><Code>AuthFailure</Code><Message>AWS was not able to validate the provided access "
        + "credentials</Message></Error></Errors><RequestID>r-1</RequestID></Response>")
    #expect(
      it.code == .credentials && it.remedy.contains("not enabled for the account") && it.remedy.contains("aws.regions"))
  }

  @Test("STS")
  func sts() {
    let it = error(
      403,
      "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code>"
        + "<Message>no</Message></Error><RequestId>r-2</RequestId></ErrorResponse>")
    #expect(it.code == .credentials)
    #expect(it.requestID == "r-2")
  }

  @Test("S3, which may name the region")
  func s3() {
    let it = error(
      400,
      "<Error><Code>AuthorizationHeaderMalformed</Code><Message>wrong</Message><Region>eu-west-1</Region><RequestId>r-3</RequestId>"
        + "<HostId>h</HostId></Error>")
    #expect(it.code == .wrongRegion)
    #expect(it.region == "eu-west-1")
    #expect(it.requestID == "r-3")
    let moved = error(301, "", ["x-amz-bucket-region": "ap-south-1", "x-amz-request-id": "r-4"])
    #expect(moved.code == .wrongRegion)
    #expect(moved.region == "ap-south-1")
  }

  @Test("S3 answers HEAD without words")
  func head() {
    #expect(error(404, "", ["x-amz-request-id": "r"]).code == .notFound)
    #expect(error(403, "", ["x-amz-request-id": "r"]).code == .denied)
    #expect(error(412, "", ["x-amz-request-id": "r"]).code == .precondition)
  }

  @Test(
    "JSON",
    arguments: [
      (#"{"__type":"ThrottlingException","message":"m"}"#, [:]),
      (#"{"__type":"a.b#ThrottlingException","Message":"m"}"#, [:]),
      (#"{"message":"m"}"#, ["x-amzn-ErrorType": "ThrottlingException:http://x/"]),
    ])
  func json(_ body: String, _ headers: [String: String]) {
    let it = error(400, body, headers.merging(["x-amzn-RequestId": "r-5"]) { $1 })
    #expect(it.code == .throttled)
    #expect(it.serviceCode == "ThrottlingException")
    #expect(it.serviceMessage == "m")
    #expect(it.requestID == "r-5")
  }

  @Test(
    "each name has its meaning",
    arguments: [
      ("RequestLimitExceeded", AWSError.Code.throttled), ("SlowDown", .throttled), ("UnauthorizedOperation", .denied),
      ("RequestTimeTooSkewed", .clock), ("InsufficientInstanceCapacity", .capacity), ("VcpuLimitExceeded", .quota),
      ("MaxSpotInstanceCountExceeded", .quota), ("SpotMaxPriceTooLow", .capacity), ("InvalidGroup.NotFound", .notFound),
      ("NoSuchKey", .notFound), ("InvalidKeyPair.Duplicate", .conflict), ("IdempotentParameterMismatch", .conflict),
      ("InternalError", .unavailable), ("InvalidParameterValue", .invalid), ("SomethingNew", .invalid),
    ])
  func names(_ name: String, _ code: AWSError.Code) {
    let it = error(400, "<Response><Errors><Error><Code>\(name)</Code></Error></Errors></Response>")
    #expect(it.code == code)
    #expect(it.isRetryable == [.throttled, .unavailable].contains(code))
  }

  @Test("what is not AWS's is not taken for it")
  func foreign() {
    let it = error(502, "<html><body>Bad gateway\u{7}</body></html>")
    #expect(it.code == .unavailable)
    #expect(it.mayHaveHappened)
    #expect(!it.message.contains("\u{7}"))
    #expect(error(407, "proxy").code == .unreadable)
    #expect(error(200, "{}").code == .unreadable)
  }

  @Test("a call that was sent may have happened, one that was not has not")
  func lost() {
    for (code, may) in [
      (TransportError.Code.timeout, true), (.network, true), (.connect, false), (.resolve, false), (.tls, false),
    ] {
      let it = AWSError(TransportError(code, "m"), call: "c")
      #expect(it.code == .unreachable)
      #expect(it.mayHaveHappened == may)
    }
  }
}
