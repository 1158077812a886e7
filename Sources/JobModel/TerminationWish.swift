/// Somebody's wish to end a job. It stays open until the provider confirms that the instance is gone.
package struct TerminationWish: Sendable, Hashable, Codable {
  package var reason: Reason
  /// The user's own words, if any.
  package var message: String?
  package var at: Timestamp
  /// Whether the results are synced once more before the end.
  package var finalSync: Bool
  /// A person vouches that the instance is gone: the provider is not asked.
  package var isForgotten: Bool?
  /// How often the provider was asked.
  package var tries: Int

  package init(reason: Reason, message: String? = nil, at: Timestamp, finalSync: Bool = true, tries: Int = 0) {
    self.reason = reason
    self.message = message
    self.at = at
    self.finalSync = finalSync
    self.tries = tries
  }
}
