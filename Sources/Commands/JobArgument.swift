package import ArgumentParser
internal import JobModel
internal import JobStore

/// Completion of job ids from the database that the words before name.
enum JobCompletion {
  static func ids(_ words: [String], _ index: Int, _ prefix: String) async -> [String] {
    // Options without a default can't be set on a value that was not parsed.
    guard var options = try? GlobalOptions.parse([]) else { return [] }
    for (word, value) in zip(words, words.dropFirst()) {
      if word == "--db" { options.db = value }
      if word == "--config" { options.config = value }
    }
    // A completion that can't be made is no completion: there is nobody to tell. The Tab key converts no database.
    guard let context = try? CommandContext.make(options), let store = try? await context.openForLook() else {
      return []
    }
    let ids = try? await store.ids(prefix: prefix, limit: 50)
    await store.close()
    return ids?.map(\.rawValue) ?? []
  }
}

/// One job, by its id or a beginning of it that no other job has.
package struct JobArgument: ParsableArguments {
  @Argument(
    help: ArgumentHelp("The job's id, or its unique beginning.", valueName: "job"),
    completion: .custom(JobCompletion.ids))
  package var job: String

  package init() {}
}
