/// A value that takes the room of a pointer where it stands, for what few of many thousand jobs have.
package enum Boxed<Value: Sendable & Hashable>: Sendable, Hashable {
  case nothing
  indirect case some(Value)

  package init(_ value: Value?) { self = value.map(Boxed.some) ?? .nothing }

  package var value: Value? {
    switch self {
    case .nothing: nil
    case .some(let value): value
    }
  }
}
