/// An instance that carries our tags.
package struct FleetMember: Sendable, Hashable {
  package var provider: ProviderName
  package var instance: Instance
  package var state: InstanceState
  /// What its tags say; nil for what they do not say, or what nobody of us can have written.
  package var job: JobID?
  package var attempt: Int?
  /// The database whose job it is.
  package var database: String?
  /// What people call it.
  package var name: String?
  package var launchedAt: Timestamp?
  /// Where what belongs to the job lies, as the provider names it.
  package var bucket: String?

  package init(
    provider: ProviderName, instance: Instance, state: InstanceState, job: JobID?, attempt: Int?,
    database: String? = nil,
    name: String? = nil, launchedAt: Timestamp? = nil, bucket: String? = nil
  ) {
    self.provider = provider
    self.instance = instance
    self.state = state
    self.job = job
    self.attempt = attempt
    self.database = database
    self.name = name
    self.launchedAt = launchedAt
    self.bucket = bucket
  }

  package var token: String? { job.flatMap { job in attempt.map { Attempt.token(job: job, number: $0) } } }
}

/// What an instance is to a database. Pure: the provider's list and the jobs in, a verdict for each out.
package enum FleetVerdict: Sendable, Hashable {
  /// The instance of the latest attempt of an open job.
  case known
  /// Its job is open and does not know it yet: whoever looks after the job finds it by its token.
  case launching
  /// Nothing needs it, and it costs: the job is over, or goes on with another instance. The text says why.
  case leaked(String)
  /// It is this database's, which has no such job, or only earlier attempts of it: removed, or lost with an older copy of the
  /// file.
  case orphan
  /// It belongs to another database.
  case foreign(String?)

  /// - Parameter job: the job that the instance's tags name, as it stands in this database.
  package init(_ member: FleetMember, job: Job?, database: String) {
    guard let job else {
      self = member.database == database ? .orphan : .foreign(member.database)
      return
    }
    // The same id in two databases: one was rebuilt from the other's bucket. Whoever made the instance looks after it.
    if let owner = member.database, owner != database, job.spec.database != owner {
      self = .foreign(owner)
      return
    }
    let attempt = job.attempt
    if let number = member.attempt, number > attempt.number {
      // This database is older than the attempt: a copy that was restored. Nobody knows better whether it is needed.
      self = .orphan
      return
    }
    guard member.attempt == attempt.number else {
      self = .leaked("it is of attempt \(member.attempt ?? 0), and the job is at attempt \(attempt.number)")
      return
    }
    guard let own = attempt.instance else {
      self =
        job.isOpen ? .launching : .leaked("its job is \(job.state.rawValue), and never knew it")
      return
    }
    guard own.id == member.instance.id else {
      self = .leaked("the job has another instance, \(own.id)")
      return
    }
    self = attempt.isLive ? .known : .leaked("its job is \(job.state.rawValue), and took it for gone")
  }
}
