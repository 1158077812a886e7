import JobModel
import Monitor
import ProviderKit
import Testing

@testable import Commands

@Suite("The live table of watch")
struct WatchScreenTests {
  static let widths = [20, 40, 80, 120, 200]
  static let heights = [4, 10, 50]

  private func screen(
    _ jobs: [Job], messages: [String] = [], trouble: String? = nil, undelivered: Int = 0, colors: Bool = false,
    now: Timestamp = epoch + .seconds(3600)
  ) -> WatchScreen {
    WatchScreen(
      header: .init(database: "/data/cloud_jobs.db", host: "here", pid: 1, trouble: trouble, undelivered: undelivered),
      views: jobs.map { JobView(job: $0, nextAction: "poll in 15s") }, messages: messages, now: now,
      billing: [.aws: .perSecond], colors: colors)
  }

  private static func jobs(_ count: Int) -> [Job] {
    (0..<count).map { index in
      let names = Samples.hostileNames
      return Samples.job(
        "job\(index)", JobState.allCases[index % 6], name: names[index % names.count],
        type: names[(index + 1) % names.count],
        price: "0.45", budget: index % 2 == 0 ? Budget(limit: Money("123456.78")!) : nil,
        created: epoch + .seconds(index % 7))
    }
  }

  @Test("is never wider or taller than the terminal, whatever it shows", arguments: widths, heights)
  func fits(_ width: Int, _ height: Int) {
    for count in [0, 1, 500] {
      for colors in [false, true] {
        let messages = (0..<30).map { "2027-01-15 ERROR \(Samples.hostileNames[$0 % Samples.hostileNames.count])" }
        let lines = screen(
          Self.jobs(count), messages: messages, trouble: "the disk is full, free some space on /data",
          undelivered: 1000,
          colors: colors
        ).lines(width: width, height: height)
        #expect(lines.count <= height)
        #expect(lines.allSatisfy { columns($0) <= width })
        #expect(lines.allSatisfy { $0.isHarmless })
        #expect(colors || !lines.contains { $0.contains("\u{1B}") })
      }
    }
  }

  @Test("is never wider than the terminal when characters take two columns", arguments: widths)
  func wide(_ width: Int) {
    let jobs = Samples.wideNames.enumerated().map { Samples.job("job\($0.offset)", name: $0.element, type: $0.element) }
    let lines = screen(jobs, messages: Samples.wideNames.map { $0 + $0 + $0 }).lines(width: width, height: 20)
    #expect(lines.allSatisfy { columns($0) <= width })
  }

  @Test("trouble of the store can't move the cursor")
  func trouble() {
    let lines = screen([], trouble: "a\u{1B}[2Jb\nc").lines(width: 80, height: 10)
    #expect(lines.allSatisfy { $0.isHarmless })
    #expect(lines[1].hasPrefix("Store: a\u{FFFD}[2Jb\u{FFFD}c"))
  }

  @Test("says in one line what a provider holds back, and since when", arguments: [1, 3])
  func throttling(_ count: Int) {
    let since = epoch + .seconds(3000)
    var screen = screen([Samples.job()])
    screen.header.throttled = ["DescribeInstances", "RunInstances", "CreateTags"].prefix(count).map { action in
      ThrottledCalls(
        .init(provider: .aws, service: "ec2", action: action, region: "us-east-1"), since: since, refusals: 7)
    }
    let more = count > 1 ? ", and 2 more kinds of calls" : ""
    let time = LocalZone.text(since).dropFirst(11).prefix(8)
    let lines = screen.lines(width: 120, height: 10)
    #expect(lines[1] == "AWS holds back ec2 DescribeInstances in us-east-1 since \(time), 7 refused\(more)")
    #expect(lines[2].hasPrefix("Job ID"))
    #expect(screen.lines(width: 20, height: 10).allSatisfy { columns($0) <= 20 })
  }

  @Test("shows active jobs first, the oldest first")
  func order() {
    let jobs = [
      Samples.job("done0000", .failed, created: epoch - .seconds(100)),
      Samples.job("young000", .running, created: epoch + .seconds(2)),
      Samples.job("old00000", .launched, created: epoch),
      Samples.job("same0001", .running, created: epoch + .seconds(1)),
      Samples.job("same0000", .running, created: epoch + .seconds(1)),
    ]
    let lines = screen(jobs).lines(width: 120, height: 20)
    #expect(lines[2...6].map { $0.prefix(8) } == ["old00000", "same0000", "same0001", "young000", "done0000"])
  }

  @Test("says how many jobs have no room, and shows the active ones")
  func overflow() {
    let closed = (0..<40).map { Samples.job("c\($0)", .completed) }
    let open = (0..<3).map { Samples.job("open\($0)", .running, created: epoch + .seconds(100)) }
    let lines = screen(closed + open).lines(width: 80, height: 10)
    #expect(lines.count <= 10)
    for job in open { #expect(lines.contains { $0.hasPrefix(job.id.rawValue) }) }
    let shown = lines.filter { $0.hasPrefix("c") && !$0.hasPrefix("cloudjobs") || $0.hasPrefix("open") }.count
    #expect(lines.contains("… and \(43 - shown) more jobs"))
  }

  @Test("adds costs and rates in its first line")
  func totals() {
    var ended = Samples.job("done0000", .completed, price: "0.45", ended: .seconds(1800))
    ended.earlierCost = Money("0.10")!
    let jobs = [Samples.job("a", price: "3.60"), Samples.job("b", price: "1.20"), ended, Samples.job("c", .launching)]
    let title = screen(jobs).lines(width: 120, height: 10)[0]
    // An hour of the first two, half an hour of the third, and what its earlier attempt had cost.
    #expect(title.hasPrefix("cloudjobs watch  4 open  $5.13 at $4.8000/h"))
    #expect(title.hasSuffix("q quits  \(LocalZone.text(epoch + .seconds(3600)).dropFirst(11).prefix(8))"))
    #expect(title.count == 120)
  }

  @Test("drops the less important columns first when the terminal is narrow")
  func columnsThatStay() {
    func header(_ width: Int) -> String { screen([Samples.job()]).lines(width: width, height: 10)[1] }
    for title in [
      "Job ID", "Name", "Status", "Provider", "Instance", "Duration", "Cost", "Budget", "Last sync", "Next",
    ] {
      #expect(header(200).contains(title))
    }
    #expect(!header(80).contains("Last sync"))
    for title in ["Job ID", "Status", "Cost", "Duration"] { #expect(header(80).contains(title)) }
    for title in ["Job ID", "Status"] { #expect(header(20).contains(title)) }
  }

  @Test("says what to do when there is nothing")
  func empty() {
    let lines = screen([]).lines(width: 80, height: 10)
    #expect(lines.contains("No open jobs. Start one: cloudjobs run FOLDER"))
    #expect(lines[0].contains("0 open  $0.00 at $0.0000/h"))
  }

  @Test("shows the newest messages, the last at the bottom")
  func messages() {
    let lines = screen([], messages: (0..<50).map { "message \($0)" }).lines(width: 80, height: 24)
    #expect(lines.suffix(6) == ["message 44", "message 45", "message 46", "message 47", "message 48", "message 49"])
  }

  @Test("the board forgets old lines")
  func board() {
    let board = WatchBoard()
    for index in 0..<120 { board.add("line \(index)\n") }
    #expect(board.recent.count <= 100)
    #expect(board.recent.last == "line 119")
  }
}
