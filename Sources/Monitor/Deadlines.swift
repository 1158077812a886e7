internal import HeapModule
internal import JobModel

/// When which job wants to be looked at: one heap for all of them, so that no job needs a timer of its own.
///
/// A job has one deadline. Setting it again leaves the old entry in the heap, where it is passed over when it comes up
/// (cancelling would cost a search); the heap is rebuilt when more than a third of it is stale.
struct Deadlines {
  private struct Entry: Comparable {
    let moment: Timestamp
    let job: JobID
    static func < (left: Entry, right: Entry) -> Bool { left.moment < right.moment }
  }

  private var heap = Heap<Entry>()
  private var current: [JobID: Timestamp] = [:]

  /// The earliest deadline, or nil.
  var next: Timestamp? { heap.min?.moment }

  /// How many jobs have one.
  var count: Int { current.count }

  mutating func set(_ job: JobID, _ moment: Timestamp?) {
    guard let moment else {
      current[job] = nil
      return
    }
    guard current[job] != moment else { return }
    current[job] = moment
    heap.insert(Entry(moment: moment, job: job))
    if heap.count > 64, heap.count > current.count + current.count / 2 { rebuild() }
  }

  /// Takes all jobs whose deadline has come, the earliest first.
  mutating func due(at now: Timestamp) -> [JobID] {
    var jobs: [JobID] = []
    while let first = heap.min, first.moment <= now {
      heap.removeMin()
      guard current[first.job] == first.moment else { continue }
      current[first.job] = nil
      jobs.append(first.job)
    }
    return jobs
  }

  private mutating func rebuild() {
    heap = Heap(current.map { Entry(moment: $0.value, job: $0.key) })
  }
}
