/// Fields that all have a value from the beginning.
package protocol Fields: Sendable, Hashable {
  init()
}

/// Fields that are nearly always as they were in the beginning: until then all together take the room of a pointer.
package struct RareFields<Rare: Fields>: Sendable, Hashable {
  private var box = Boxed<Rare>.nothing

  package init(_ values: Rare = Rare()) { box = values == Rare() ? .nothing : .some(values) }

  package var values: Rare { box.value ?? Rare() }

  package subscript<Value: Equatable>(member: WritableKeyPath<Rare, Value>) -> Value {
    get { values[keyPath: member] }
    set {
      var values = values
      guard values[keyPath: member] != newValue else { return }
      values[keyPath: member] = newValue
      self = RareFields(values)
    }
  }
}
