internal import Subprocess

#if canImport(System)
  internal import System
#else
  internal import SystemPackage
#endif

/// A program by name, which is looked for in PATH, or by path.
func executable(_ name: String) -> Executable { name.contains("/") ? .path(FilePath(name)) : .name(name) }
