package import JobModel

/// A cloud, or this machine: something that launches, shows and ends instances.
///
/// Every call has a time-out of its own and never throws: what can go wrong is part of the answer.
/// One conformance suite (`ProviderContract`) runs on every implementation.
package protocol Provider: Sendable {
  var name: ProviderName { get }
  var billing: BillingRule { get }
  /// How many instances one `observe` call may ask for.
  var observeLimit: Int { get }
  /// How long after its launch an instance may not be shown yet.
  var visibilityDelay: Duration { get }

  /// What an instance for this spec would be and cost, asked before anything is launched.
  func quote(_ spec: JobSpec) async throws(ProviderError) -> Quote

  /// Launches the instance of one attempt. Idempotent: the same token names the same instance, however often it is called.
  func launch(_ request: LaunchRequest) async -> LaunchAnswer

  /// Looks for the instance of an attempt whose launch was not answered.
  func find(_ request: LaunchRequest) async -> FindAnswer

  /// What these instances are doing, one observation for each token that was asked for.
  func observe(_ instances: [InstanceReference]) async -> [String: Observation]

  /// Asks for the end of an instance. Idempotent. Only a later observation says that it is gone.
  func terminate(_ instance: InstanceReference, finalSync: Bool) async -> TerminateAnswer
}

extension Provider {
  /// At once, as on this machine.
  package var visibilityDelay: Duration { .zero }
}

/// An ability of providers whose instances' output can be read on this machine.
package protocol LogProviding: Provider {
  /// The file with the output of the calculation, whether or not it exists yet.
  func logFile(of instance: InstanceReference) -> String
}

/// An ability of providers whose instances work on this machine.
package protocol WorkFolderProviding: Provider {
  /// The folder in which the calculation runs and leaves its results, whether or not it exists yet.
  func workFolder(of instance: InstanceReference) -> String
  /// The instance's own folder, with the scripts and what they write.
  func instanceFolder(of instance: InstanceReference) -> String
}

/// An ability of providers that know which files went in and came out.
package protocol FileListing: Provider {
  /// Input files as staged: count and bytes; nil if nothing is there yet.
  func inputs(of instance: InstanceReference) async -> FileCount?
}

package struct FileCount: Sendable, Hashable {
  package var files: Int
  package var bytes: Int64
  package init(files: Int, bytes: Int64) {
    self.files = files
    self.bytes = bytes
  }
}

/// An offer: an instance type in a region at a price.
package struct Quote: Sendable, Hashable {
  package var instanceType: String
  package var region: String
  package var zone: String?
  package var price: HourlyPrice
  /// What a launch tries when this can't be had, in that order. They have no alternatives of their own.
  package var alternatives: [Quote]

  package init(
    instanceType: String, region: String, zone: String? = nil, price: HourlyPrice, alternatives: [Quote] = []
  ) {
    self.instanceType = instanceType
    self.region = region
    self.zone = zone
    self.price = price
    self.alternatives = alternatives
  }

  /// As people write it.
  package var text: String { "\(instanceType) in \(zone ?? region) at \(price.formatted)" }
}

/// One attempt as a provider needs it.
package struct LaunchRequest: Sendable, Hashable {
  package var job: JobID
  package var attempt: Int
  /// The idempotency token, `job-attempt`.
  package var token: String
  package var spec: JobSpec
  package var budget: Budget?
  /// What earlier attempts of the job have cost.
  package var spent: Money

  package init(job: JobID, attempt: Int, token: String, spec: JobSpec, budget: Budget?, spent: Money) {
    self.job = job
    self.attempt = attempt
    self.token = token
    self.spec = spec
    self.budget = budget
    self.spent = spent
  }

  package init(_ job: Job) {
    self.init(
      job: job.id, attempt: job.attempt.number, token: job.attempt.token, spec: job.spec, budget: job.budget,
      spent: job.earlierCost)
  }
}

/// An instance of which we know the name.
package struct InstanceReference: Sendable, Hashable {
  package var job: JobID
  package var attempt: Int
  package var token: String
  package var instance: Instance
  /// Where what belongs to the job lies, for providers that use one.
  package var bucket: String?
  /// When it began to cost, if that is known.
  package var launchedAt: Timestamp?

  package init(
    job: JobID, attempt: Int, token: String, instance: Instance, bucket: String? = nil, launchedAt: Timestamp? = nil
  ) {
    self.job = job
    self.attempt = attempt
    self.token = token
    self.instance = instance
    self.bucket = bucket
    self.launchedAt = launchedAt
  }

  /// The instance of a job's latest attempt, or nil if none was named.
  package init?(_ job: Job) {
    guard let instance = job.attempt.instance else { return nil }
    self.init(
      job: job.id, attempt: job.attempt.number, token: job.attempt.token, instance: instance,
      bucket: job.spec.s3Bucket, launchedAt: job.attempt.launchedAt)
  }
}

package enum FindAnswer: Sendable, Hashable {
  case found(Launched)
  case absent
  case unreachable(String)
}

package enum TerminateAnswer: Sendable, Hashable {
  /// The provider took the order.
  case accepted
  /// The provider refused or did not answer; the text says why.
  case failed(String)
}

/// Why a provider can't answer a question that a person asked.
package struct ProviderError: Error, Sendable, Hashable, CustomStringConvertible {
  package enum Code: String, Sendable, Hashable {
    case unavailable
    case notConfigured = "not_configured"
    case notPermitted = "not_permitted"
    case invalid
  }
  package var code: Code
  package var message: String
  package var remedy: String

  package init(_ code: Code, _ message: String, remedy: String) {
    self.code = code
    self.message = message
    self.remedy = remedy
  }

  package var description: String { message + ". " + remedy }
}
