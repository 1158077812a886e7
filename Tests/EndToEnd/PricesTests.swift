import Foundation
import TestSupport
import Testing

@Suite(
  "Spot prices from the command line",
  .enabled(if: LoopbackAWS.isInstalled, "Scripts/setup --test installs the stand-in for AWS"))
struct PricesTests {
  private static let aws =
    #""aws": {"regions": ["us-east-1", "eu-west-1"], "instance_types": ["c5.large", "r5.large", "m5.xlarge"]}"#

  private func calls(_ aws: LoopbackAWS) async throws -> Int {
    try await aws.state().calls.values.reduce(0) { $0 + $1.values.reduce(0, +) }
  }

  @Test("prices twice within five minutes asks once, and run takes what was saved")
  func saved() async throws {
    try await LoopbackServer.aws { aws in
      try await Workplace.run(config: Workplace.config(Self.aws)) { place async throws in
        let first = try await place.cloudjobs(
          "prices", "--json", "--save", environment: aws.environment)
        #expect(first.code == 0, "\(first)")
        let asked = try await calls(aws)
        #expect(asked > 0)
        let second = try await place.cloudjobs("prices", "--json", environment: aws.environment)
        #expect(second.output == first.output)
        #expect(try await calls(aws) == asked)
        #expect(String(decoding: try place.bytes("spot_prices.json"), as: UTF8.self) == first.output)

        try place.calculation("water", "true")
        let plan = try await place.cloudjobs(
          "run", "water", "--s3-bucket", "b", "--gdrive-path", "drive:x", "--from-spot-prices", "--dry-run",
          environment: aws.environment)
        #expect(plan.code == 0, "\(plan)")
        #expect(plan.errors.contains("Taking ") && plan.errors.contains("cheapest per core"), "\(plan)")
        // EC2 was only asked for the price of what was chosen.
        #expect(try await calls(aws) - asked <= 2)
      }
    }
  }

  @Test("run --dry-run lists the offers that a launch would go on with, and none above the most that it may cost")
  func alternatives() async throws {
    try await LoopbackServer.aws { aws in
      func plan(_ extra: String) async throws -> (text: [Substring], json: [String: Any]) {
        let config = Workplace.config(Self.aws.replacing("{\"regions\"", with: "{\(extra)\"regions\""))
        var result: (text: [Substring], json: [String: Any])?
        try await Workplace.run(config: config) { place in
          try place.calculation("water", "true")
          let words = ["run", "water", "--s3-bucket", "b", "--gdrive-path", "drive:x", "--dry-run"]
          let text = try await place.cloudjobs(words + ["--provider", "aws"], environment: aws.environment)
          #expect(text.code == 0, "\(text)")
          let json = try await place.cloudjobs(words + ["--json"], environment: aws.environment)
          let document = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any]
          result = (text.output.split(separator: "\n"), try #require(document, "\(json)"))
        }
        return try #require(result)
      }
      let free = try await plan("")
      let offers = try #require(free.json["alternatives"] as? [[String: Any]])
      #expect(offers.count == 11)
      let start = try #require(free.text.firstIndex { $0 == "If that can't be had, in this order:" }, "\(free.text)")
      let instance = "Instance: \(free.json["instance_type"] ?? "") in \(free.json["zone"] ?? "") at $"
      #expect(free.text[start - 1].hasPrefix(instance), "\(free.text)")
      for (line, offer) in zip(free.text[(start + 1)...].prefix(5), offers) {
        #expect(line.hasPrefix("  \(offer["instance_type"] ?? "") in \(offer["zone"] ?? "") at $"), "\(line)")
      }
      #expect(free.text[start + 6].hasPrefix("  and 6 more, at most $"), "\(free.text)")

      let most = try #require(offers[1]["price_per_hour"] as? Double)
      let bounded = try await plan("\"max_price_per_hour\": \"\(most)\", ")
      let prices = (bounded.json["alternatives"] as? [[String: Any]] ?? []).compactMap {
        $0["price_per_hour"] as? Double
      }
      #expect((2..<11).contains(prices.count) && prices.allSatisfy { $0 <= most }, "\(prices)")
    }
  }

  @Test("on a terminal of 80 columns nothing wraps, and the menu is answered by a number")
  func terminal() async throws {
    try await LoopbackServer.aws { aws in
      try await Workplace.run(config: Workplace.config(Self.aws)) { place async throws in
        let table = try place.terminal("prices", width: 80, environment: aws.environment)
        let shown = try await table.ends()
        #expect(shown.code == 0 && shown.wraps == 0, "\(shown)")
        #expect(shown.lines.contains { $0.hasPrefix("Type ") && $0.contains("Chart") }, "\(shown)")
        #expect(shown.lines.contains { $0.contains("us-east-1") && $0.contains("▁") }, "\(shown)")

        try place.calculation("water", "true")
        let run = try place.terminal(
          "run", "water", "--s3-bucket", "b", "--gdrive-path", "drive:x", "--from-spot-prices", "--dry-run",
          "--region", "us-east-1", width: 80, environment: aws.environment)
        let menu = try await run.shows("Spot prices (asked just now):", "cheapest at all", "Which one? (1-")
        let row = try #require(menu.lines.first { $0.hasPrefix("  2  ") }, "\(menu)")
        let type = try #require(row.split(separator: " ").dropFirst().first)
        try await run.send("2\r")
        let ended = try await run.ends()
        #expect(ended.code == 0, "\(ended)")
        #expect(
          ended.lines.contains { $0.hasPrefix("Instance: \(type) in us-east-1") && $0.contains(" at $") }, "\(ended)")
        #expect(ended.lines.contains("If that can't be had, in this order:"), "\(ended)")
        #expect(ended.lines.contains { $0.hasPrefix("  \(type) in us-east-1") }, "\(ended)")
        #expect(ended.lines.contains("Inputs go through: s3://b"), "\(ended)")

        let left = try place.terminal(
          "run", "water", "--s3-bucket", "b", "--gdrive-path", "drive:x", "--from-spot-prices", "--region", "us-east-1",
          environment: aws.environment)
        try await left.shows("Which one?")
        try await left.send("q\r")
        let gone = try await left.ends()
        #expect(gone.code == 0 && gone.lines.contains("Nothing was started."), "\(gone)")
        #expect(!(try place.files().contains("cloud_jobs.db")))
      }
    }
  }
}
