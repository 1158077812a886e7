internal import Configuration
internal import JobStore
internal import ProviderKit
internal import ResultSync

/// An error with the exit code that scripts rely on. The codes follow sysexits(3).
package struct CommandError: Error, Sendable, CustomStringConvertible {
  package enum Code: Int32, Sendable, CaseIterable {
    case failure = 1
    case usage = 64
    case badData = 65
    case noInput = 66
    case unavailable = 69
    case software = 70
    case cantCreate = 73
    case io = 74
    case tryAgain = 75
    case notPermitted = 77
    case configuration = 78
  }

  package var code: Code
  package var message: String

  package init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  package var description: String { message }

  /// What any error of the other rooms means for the exit code.
  package init(_ error: any Error) {
    switch error {
    case let error as CommandError: self = error
    case let error as StoreError: self.init(Self.code(error.code), error.description)
    case let error as ProviderError:
      let code: Code =
        switch error.code {
        case .unavailable: .unavailable
        case .notConfigured: .configuration
        case .notPermitted: .notPermitted
        case .invalid: .badData
        }
      self.init(code, error.description)
    case let error as SyncError:
      let code: Code =
        switch error.code {
        case .notSetUp: .configuration
        case .unreachable, .timedOut: .unavailable
        case .broken: .tryAgain
        case .refused: .notPermitted
        case .absent: .noInput
        case .damaged: .badData
        }
      self.init(code, error.description)
    case let error as ConfigurationError: self.init(.configuration, error.description)
    case is CancellationError: self.init(.tryAgain, "interrupted")
    default: self.init(.failure, "\(error)")
    }
  }

  private static func code(_ code: StoreError.Code) -> Code {
    switch code {
    case .held, .busy, .overloaded: .tryAgain
    case .exists: .cantCreate
    case .closed: .software
    case .notADatabase, .foreign, .newerSchema, .needsMigration, .damaged: .badData
    case .notFound: .noInput
    case .readOnly, .notPermitted: .notPermitted
    case .networkFileSystem: .configuration
    case .full, .replaced, .io: .io
    }
  }
}
