/// Into which parts a file is cut. The same size always gives the same parts, so that an upload can be taken up again.
package struct PartPlan: Sendable, Hashable {
  package var size: Int64
  package var partSize: Int64

  private static let mebibyte: Int64 = 1024 * 1024
  /// Up to here a file goes as a whole.
  package static let wholeLimit = 16 * mebibyte

  package init(size: Int64) {
    self.size = size
    let wanted: Int64 =
      switch size {
      case ...(512 * Self.mebibyte): 8
      case ...(4096 * Self.mebibyte): 16
      case ...(32_768 * Self.mebibyte): 32
      default: 64
      }
    // Beyond 600 GB the number of parts decides, with some room below S3's limit.
    let least = (size + 9_599) / 9_600
    let rounded = (least + Self.mebibyte - 1) / Self.mebibyte
    partSize = max(wanted, rounded) * Self.mebibyte
  }

  package var isWhole: Bool { size <= Self.wholeLimit }
  package var count: Int { max(1, Int((size + partSize - 1) / partSize)) }

  /// Where part `number`, counted from 1, begins, and how long it is.
  package func part(_ number: Int) -> (offset: Int64, length: Int64) {
    let offset = Int64(number - 1) * partSize
    return (offset, min(partSize, size - offset))
  }
}
