/// An exact amount of US dollars.
///
/// One unit is a microdollar-hour per hour divided by 3,600, that is 1 USD = 3,600,000,000 units: a price in whole
/// microdollars an hour, charged by the second, is always a whole number of units, so sums never drift.
/// The largest amount is about 2.5 billion dollars. Rounding happens only when an amount is printed.
package struct Money: Sendable, Hashable, Comparable {
  /// Units in one dollar.
  package static let unitsPerDollar: Int64 = 3_600_000_000
  private static let unitsPerMicrodollar: Int64 = 3600

  package let units: Int64

  package init(units: Int64) { self.units = units }
  package init(microdollars: Int64) { units = microdollars.saturatingMultiplied(by: Self.unitsPerMicrodollar) }

  package static let zero = Money(units: 0)

  /// Reads `12`, `12.5`, `$12.50`; at most six decimals count, further ones are refused.
  package init?(_ text: String) {
    guard let microdollars = Decimal6(text, roundUp: false) else { return nil }
    self.init(microdollars: microdollars.value)
  }

  /// The nearest amount to a floating-point number of dollars, for values that come from JSON or from old databases.
  package init?(dollars: Double) {
    guard dollars.isFinite, abs(dollars) < 2_000_000_000 else { return nil }
    self.init(microdollars: Int64((dollars * 1e6).rounded()))
  }

  /// Dollars as a floating-point number, for JSON output and charts only.
  package var dollars: Double { Double(units) / Double(Self.unitsPerDollar) }

  package static func < (left: Money, right: Money) -> Bool { left.units < right.units }
  package static func + (left: Money, right: Money) -> Money {
    let (sum, overflow) = left.units.addingReportingOverflow(right.units)
    return Money(units: overflow ? (left.units < 0 ? .min : .max) : sum)
  }
  package static func - (left: Money, right: Money) -> Money {
    let (difference, overflow) = left.units.subtractingReportingOverflow(right.units)
    return Money(units: overflow ? (left.units < 0 ? .min : .max) : difference)
  }
  package static func += (left: inout Money, right: Money) { left = left + right }

  /// `percent` hundredths of this amount, rounded down to a unit.
  package func percent(_ percent: Int) -> Money {
    let (high, low) = units.multipliedFullWidth(by: Int64(percent))
    return Money(units: Int64(100).dividingFullWidth((high, low)).quotient)
  }

  /// `$1.01`; half a cent is rounded away from zero.
  package func formatted(decimals: Int = 2) -> String { "$" + plain(decimals: decimals, negativeSign: "-") }

  /// `1.0125` without a currency sign.
  package func plain(decimals: Int = 6, negativeSign: String = "-") -> String {
    var scale: Int64 = 1
    for _ in 0..<decimals { scale *= 10 }
    let magnitude = units.magnitude
    let dollars = magnitude / UInt64(Self.unitsPerDollar)
    let rest = magnitude % UInt64(Self.unitsPerDollar)
    var fraction = (rest * UInt64(scale) + UInt64(Self.unitsPerDollar) / 2) / UInt64(Self.unitsPerDollar)
    var whole = dollars
    if fraction == UInt64(scale) {
      whole += 1
      fraction = 0
    }
    let sign = units < 0 && (whole > 0 || fraction > 0) ? negativeSign : ""
    guard decimals > 0 else { return sign + String(whole) }
    let digits = String(fraction)
    return "\(sign)\(whole)." + String(repeating: "0", count: decimals - digits.count) + digits
  }
}

/// A price in whole microdollars an hour.
package struct HourlyPrice: Sendable, Hashable, Comparable {
  package let microdollars: Int64

  package init(microdollars: Int64) { self.microdollars = microdollars }

  package static let zero = HourlyPrice(microdollars: 0)

  /// Reads `0.45` dollars an hour. A price finer than a microdollar is rounded up, so a cost is never understated.
  package init?(_ text: String) {
    guard let value = Decimal6(text, roundUp: true), value.value >= 0 else { return nil }
    microdollars = value.value
  }

  package init?(dollars: Double) {
    guard dollars.isFinite, dollars >= 0, dollars < 1_000_000 else { return nil }
    let scaled = dollars * 1e6
    let nearest = scaled.rounded()
    // 0.45 is not exact in binary: what is within a thousandth of a microdollar is meant to be that microdollar.
    microdollars = Int64(abs(scaled - nearest) < 1e-3 ? nearest : scaled.rounded(.up))
  }

  package var dollars: Double { Double(microdollars) / 1e6 }

  /// What `seconds` at this price cost, exactly.
  package func cost(seconds: Int64) -> Money {
    Money(units: microdollars.saturatingMultiplied(by: seconds))
  }

  package static func < (left: HourlyPrice, right: HourlyPrice) -> Bool { left.microdollars < right.microdollars }

  /// `$0.4500/h`.
  package var formatted: String { Money(microdollars: microdollars).formatted(decimals: 4) + "/h" }
}

extension Int64 {
  fileprivate func saturatingMultiplied(by other: Int64) -> Int64 {
    let (product, overflow) = multipliedReportingOverflow(by: other)
    return overflow ? ((self < 0) == (other < 0) ? .max : .min) : product
  }
}

/// A decimal number with six places, read without passing through a Double.
private struct Decimal6 {
  let value: Int64

  init?(_ text: String, roundUp: Bool) {
    var rest = text[...].utf8
    var negative = false
    if rest.first == UInt8(ascii: "-") {
      negative = true
      rest.removeFirst()
    }
    if rest.first == UInt8(ascii: "$") { rest.removeFirst() }
    var total: Int64 = 0
    var places = -1
    var sawDigit = false
    var more = false
    for byte in rest {
      if byte == UInt8(ascii: "."), places < 0 {
        places = 0
        continue
      }
      guard (48...57).contains(byte) else { return nil }
      sawDigit = true
      if places >= 6 {
        more = more || byte != 48
        continue
      }
      if places >= 0 { places += 1 }
      let (product, overflow) = total.multipliedReportingOverflow(by: 10)
      let (sum, overflow2) = product.addingReportingOverflow(Int64(byte - 48))
      guard !overflow, !overflow2 else { return nil }
      total = sum
    }
    guard sawDigit else { return nil }
    if more {
      guard roundUp, !negative else { return nil }
    }
    for _ in max(places, 0)..<6 {
      let (product, overflow) = total.multipliedReportingOverflow(by: 10)
      guard !overflow else { return nil }
      total = product
    }
    // 2.5 billion dollars is where Money ends.
    guard total <= 2_500_000_000_000_000 else { return nil }
    if more { total += 1 }
    value = negative ? -total : total
  }
}
