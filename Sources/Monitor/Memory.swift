#if canImport(Glibc)
  internal import Glibc
#endif

/// What this process does about its own memory.
package enum Memory {
  /// Lets all threads share one heap. With one for each thread, what supervisors keep lies scattered between what comes
  /// and goes, and a third of the memory can't be used again; measured, it costs no time. For a process that lives long.
  package static func useOneHeap() {
    #if canImport(Glibc)
      guard let symbol = dlsym(nil, "mallopt") else { return }
      let option = unsafeBitCast(symbol, to: (@convention(c) (Int32, Int32) -> Int32).self)
      // M_ARENA_MAX of malloc.h, which Swift does not import.
      _ = option(-8, 1)
    #endif
  }

  /// Gives free memory back to the system. Taking over very many jobs leaves holes between what stays, which glibc keeps
  /// until it is asked (malloc_trim(3)); other allocators do it by themselves.
  ///
  /// Takes some milliseconds for each 100 MB.
  package static func giveBack() {
    #if canImport(Glibc)
      guard let symbol = dlsym(nil, "malloc_trim") else { return }
      let trim = unsafeBitCast(symbol, to: (@convention(c) (Int) -> Int32).self)
      _ = trim(0)
    #endif
  }
}
