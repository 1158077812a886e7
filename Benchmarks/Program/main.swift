import Foundation
import JobStore

// The measuring half of Scripts/bench: each call measures one thing and prints it as one line of JSON, so that every
// measurement has a fresh process.

let usage = """
  usage: benchmarks fill PATH JOBS closed|open
         benchmarks supervise PATH
         benchmarks update PATH WRITERS SECONDS
         benchmarks alert PATH ALERTS
         benchmarks raise PATH ALERTS CHANNEL,… SECONDS firing|ended
         benchmarks mail PORT
         benchmarks fleet FLEET PATH FOLDER
         benchmarks sweep FLEET EC2 S3
  """

func number(_ text: String) throws -> Int {
  guard let number = Int(text), number > 0 else { throw BenchmarkError("'\(text)' is not a positive number") }
  return number
}

do {
  let arguments = Array(CommandLine.arguments.dropFirst())
  let measured: [String: Double]
  switch (arguments.first, arguments.count) {
  case ("fill", 4):
    guard let mix = JobFactory.Mix(rawValue: arguments[3]) else { throw BenchmarkError(usage) }
    measured = try await FillBenchmark.run(path: arguments[1], count: number(arguments[2]), mix: mix)
  case ("supervise", 2):
    measured = try await SuperviseBenchmark.run(path: arguments[1])
  case ("update", 4):
    measured = try await UpdateBenchmark.run(
      path: arguments[1], writers: number(arguments[2]), duration: .seconds(number(arguments[3])))
  case ("alert", 3):
    measured = try await AlertBenchmark.run(path: arguments[1], count: number(arguments[2]))
  case ("raise", 6):
    guard let seconds = Int(arguments[4]), ["firing", "ended"].contains(arguments[5]) else {
      throw BenchmarkError(usage)
    }
    measured = try await RaiseBenchmark.run(
      path: arguments[1], count: number(arguments[2]), channel: arguments[3], seconds: seconds,
      ends: arguments[5] == "ended")
  case ("mail", 2):
    measured = try await MailBenchmark.run(port: number(arguments[1]))
  case ("fleet", 4):
    measured = try await FleetBenchmark.run(Fleet(path: arguments[1]), path: arguments[2], folder: arguments[3])
  case ("sweep", 4):
    measured = try await SweepBenchmark.run(
      Fleet(path: arguments[1]), ec2: arguments[2], s3: arguments[3])
  default:
    throw BenchmarkError(usage)
  }
  let json = try JSONSerialization.data(withJSONObject: measured, options: [.sortedKeys])
  print(String(decoding: json, as: UTF8.self))
} catch {
  FileHandle.standardError.write(Data("benchmarks: \(error)\n".utf8))
  exit(1)
}
