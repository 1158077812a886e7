internal import JobModel
internal import ProviderKit

/// The table of `prices`: as many columns as fit, the least needed ones left out.
struct PriceTable {
  let ranking: MarketRanking
  let entries: [MarketRanking.Entry]
  var order = MarketRanking.Order.perCore
  var style = PriceChart.Style.blocks

  enum Column: CaseIterable {
    case provider, type, cores, memory, gpus, zone, price, perCore, perGiB, range, volatility, chart

    /// What is left out first when the terminal is narrow, has the highest number.
    var rank: Int {
      switch self {
      case .type: 0
      case .price: 1
      case .zone: 2
      case .perCore: 3
      case .memory: 4
      case .cores: 5
      case .provider: 6
      case .gpus: 7
      case .chart: 8
      case .range: 9
      case .perGiB: 10
      case .volatility: 11
      }
    }

    var title: String {
      switch self {
      case .provider: "Provider"
      case .type: "Type"
      case .cores: "vCPU"
      case .memory: "Memory"
      case .gpus: "GPUs"
      case .zone: "Zone"
      case .price: "$/h"
      case .perCore: "$/vCPU"
      case .perGiB: "$/GiB"
      case .range: "7 days"
      case .volatility: "Moves"
      case .chart: "7 days, as a chart"
      }
    }

    var isNumber: Bool {
      switch self {
      case .cores, .memory, .gpus, .price, .perCore, .perGiB, .volatility: true
      case .provider, .type, .zone, .range, .chart: false
      }
    }
  }

  /// The lines of the table with its head.
  ///
  /// - Parameters:
  ///   - width: columns of the terminal; nil for as many as it takes.
  ///   - paint: colours a cell, which is padded already.
  func lines(width: Int?, paint: (String, Console.Color) -> String) -> [String] {
    var columns = Column.allCases.filter(isTelling)
    let cells = Dictionary(
      uniqueKeysWithValues: columns.map { column in (column, entries.map { text(column, $0) }) })
    func size(_ column: Column) -> Int {
      let title = column == .chart ? min(DisplayWidth.of(column.title), 16) : DisplayWidth.of(column.title)
      return max(title, cells[column]?.map(DisplayWidth.of).max() ?? 0)
    }
    func total() -> Int { columns.reduce(-2) { $0 + size($1) + 2 } }
    while let width, total() > width, columns.count > 2, let last = columns.max(by: { rank($0) < rank($1) }) {
      columns.removeAll { $0 == last }
    }
    // The type and the price stay. What even then is too wide is cut in the names, never in a price.
    var widths = columns.map(size)
    if let width, let type = columns.firstIndex(of: .type) {
      widths[type] = max(8, widths[type] - max(0, total() - width))
    }
    func line(_ texts: [String], paint: (Column, String) -> String) -> String {
      let padded = zip(columns.indices, texts).map { index, text in
        let column = columns[index]
        if column.isNumber, DisplayWidth.of(text) < widths[index] {
          return paint(column, String(repeating: " ", count: widths[index] - DisplayWidth.of(text)) + text)
        }
        return paint(column, JobTable.pad(text, widths[index]))
      }
      let all = padded.joined(separator: "  ")
      return String(all.reversed().drop { $0 == " " }.reversed())
    }
    let head = line(columns.map { $0 == .chart ? "Chart" : $0.title }) { _, text in text }
    let rows = entries.indices.map { row in
      line(columns.map { cells[$0]?[row] ?? "" }) { column, text in
        column == .price ? colour(entries[row]).map { paint(text, $0) } ?? text : text
      }
    }
    return [paint(head, .bold)] + rows
  }

  /// Whether a column tells anything in this table.
  private func isTelling(_ column: Column) -> Bool {
    switch column {
    case .provider: Set(entries.map(\.offer.provider)).count > 1
    case .gpus: entries.contains { $0.offer.gpus > 0 }
    case .perGiB: order == .memory
    default: true
    }
  }

  /// The column that the table is sorted by stays.
  private func rank(_ column: Column) -> Int {
    switch (order, column) {
    case (.memory, .perGiB), (.volatility, .volatility): 2
    default: column.rank
    }
  }

  private func text(_ column: Column, _ entry: MarketRanking.Entry) -> String {
    let offer = entry.offer
    switch column {
    case .provider: return printable(offer.provider.rawValue)
    case .type: return printable(offer.type)
    case .cores: return String(offer.cores)
    case .memory: return Self.memory(offer.memory)
    case .gpus: return String(offer.gpus)
    case .zone: return printable(offer.zone)
    case .price: return Self.dollars(offer.price)
    case .perCore: return Self.dollars(entry.pricePerCore)
    case .perGiB: return Self.dollars(entry.pricePerGiB)
    case .range:
      let dash = style == .blocks ? "–" : "-"
      return Self.dollars(entry.statistics.low) + dash + Self.dollars(entry.statistics.high)
    case .volatility:
      let tenths = Int((min(entry.statistics.volatility, 100) * 1000).rounded())
      return "\(tenths / 10).\(tenths % 10) %"
    case .chart: return PriceChart.text(offer.history, from: ranking.start, to: ranking.end, style: style)
    }
  }

  /// Near its lowest price of the past days an offer is green, near its highest yellow. What hardly moves is neither.
  private func colour(_ entry: MarketRanking.Entry) -> Console.Color? {
    let (low, high) = (entry.statistics.low.dollars, entry.statistics.high.dollars)
    guard high > low * 1.05 else { return nil }
    let place = (entry.offer.price.dollars - low) / (high - low)
    return place <= 0.25 ? .green : place >= 0.75 ? .yellow : nil
  }

  static func dollars(_ price: HourlyPrice) -> String { Money(microdollars: price.microdollars).plain(decimals: 4) }

  static func dollars(_ value: Double) -> String {
    Money(microdollars: Int64((min(max(value, 0), 1e9) * 1e6).rounded(.up))).plain(decimals: 4)
  }

  /// `32 GiB`, `0.5 GiB`.
  static func memory(_ mebibytes: Int64) -> String {
    let tenths = (mebibytes * 10 + 512) / 1024
    return (tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)") + " GiB"
  }
}

extension PriceChart.Style {
  /// What a terminal with these settings can show: the locale's character set, by the precedence of POSIX
  /// (The Open Group Base Specifications, 8.2 "Internationalization Variables").
  static func of(_ environment: [String: String]) -> PriceChart.Style {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty } ?? "C"
    let name = locale.lowercased()
    return name.contains("utf-8") || name.contains("utf8") ? .blocks : .ascii
  }
}
