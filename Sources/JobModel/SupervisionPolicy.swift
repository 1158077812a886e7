/// The intervals and limits by which jobs are supervised, from config.json.
package struct SupervisionPolicy: Sendable, Hashable {
  /// How often a running instance is asked for.
  package var pollInterval: Duration = .seconds(15)
  /// How often while something is expected any moment: a launch, a termination.
  package var eagerPollInterval: Duration = .seconds(2)
  /// An answer that takes longer is given up, and asked for again.
  package var observeTimeout: Duration = .seconds(60)
  /// A launch whose instance can't be found after this long is lost.
  package var launchTimeout: Duration = .seconds(600)
  /// How long after its launch a provider may not know an instance yet. No absence counts before that, unless the
  /// instance was seen meanwhile.
  package var absenceGrace: Duration = .zero
  /// How long an instance must be absent before it counts as gone.
  package var absenceConfirmation: Duration = .seconds(60)
  /// A heartbeat older than this is worth an alert.
  package var heartbeatTimeout: Duration = .seconds(300)
  /// A heartbeat older than this fails the job and ends its instance.
  package var heartbeatGiveUp: Duration = .seconds(1800)
  /// A provider that is silent for longer is worth an event.
  package var unreachableAfter: Duration = .seconds(300)
  /// How long a finished machine may take to shut itself down before it is ended.
  package var shutdownGrace: Duration = .seconds(300)
  /// First pause between two calls that end an instance; it doubles up to `terminateRetryCap`.
  package var terminateRetry: Duration = .seconds(10)
  package var terminateRetryCap: Duration = .seconds(300)
  /// How often the results of a running job are to be copied.
  package var syncInterval: Duration = .seconds(300)
  /// How long the last copy may take; later an instance that is to end is ended without it.
  package var finalSyncLimit: Duration = .seconds(900)
  /// First pause before another try to launch an attempt that found no room; it doubles up to `capacityRetryCap`.
  package var capacityRetry: Duration = .seconds(60)
  package var capacityRetryCap: Duration = .seconds(900)
  /// How long a job that is to recover waits for room.
  package var capacityPatience: Duration = .seconds(86_400)
  package var billing: BillingRule = .perSecond
  package var alerts = AlertPolicy()

  package init() {}
}
