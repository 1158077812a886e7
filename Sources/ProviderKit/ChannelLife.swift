package import JobModel

/// An ability of providers whose instances are spoken to by addresses that hold for a time.
package protocol ChannelLife: Provider {
  /// Until when the addresses hold that this process gave an instance last; nil if it gave none.
  func channelEnd(of instance: InstanceReference) -> Timestamp?
}
