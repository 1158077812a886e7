/// Whether a provider answers at all, over all the jobs that ask it.
package struct ProviderHealth: Sendable, Hashable {
  package private(set) var silentSince: Timestamp?
  package private(set) var lastError = ""
  package var isReported = false
  /// Whether an alert may be open: one that was raised here, or by a process before this one.
  package private(set) var mayBeOpen = true

  package init() {}

  /// True once when the provider answers after it may have been reported.
  package mutating func takeEnd(heard: Bool) -> Bool {
    guard heard, mayBeOpen else { return false }
    mayBeOpen = false
    return true
  }

  /// Takes the outcome of one call. True once for each silence: when it has lasted for `patience`.
  package mutating func note(heard: Bool, error: String?, now: Timestamp, patience: Duration) -> Bool {
    if heard {
      silentSince = nil
      isReported = false
      return false
    }
    guard let error else { return false }
    let since = silentSince ?? now
    silentSince = since
    lastError = error
    guard !isReported, now - since >= patience else { return false }
    isReported = true
    mayBeOpen = true
    return true
  }
}
