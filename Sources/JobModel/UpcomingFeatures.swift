// A misspelled upcoming feature is ignored in silence, so the compiler is asked whether each one is really on.
// One loop in Package.swift sets them for all targets, so asking in one target answers for all.
#if !hasFeature(ExistentialAny)
  #error("ExistentialAny is off: see the settings loop in Package.swift")
#endif
#if !hasFeature(InternalImportsByDefault)
  #error("InternalImportsByDefault is off: see the settings loop in Package.swift")
#endif
#if !hasFeature(MemberImportVisibility)
  #error("MemberImportVisibility is off: see the settings loop in Package.swift")
#endif
#if !hasFeature(NonisolatedNonsendingByDefault)
  #error("NonisolatedNonsendingByDefault is off: see the settings loop in Package.swift")
#endif
