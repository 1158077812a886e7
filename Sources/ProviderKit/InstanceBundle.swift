/// All files of an instance as one script that unpacks itself: `sh bundle`.
///
/// Every file is private to the user who runs it, for presigned addresses are among them.
package struct InstanceBundle: Sendable, Hashable {
  package struct File: Sendable, Hashable {
    /// In the instance's folder: letters, digits, `.`, `-` and `_`.
    package var name: String
    package var bytes: [UInt8]
    package var isExecutable: Bool

    package init(_ name: String, _ bytes: [UInt8], isExecutable: Bool = false) {
      self.name = name
      self.bytes = bytes
      self.isExecutable = isExecutable
    }
  }

  package var directory: String
  package var files: [File]
  package var host: HostTraits

  package init(directory: String = LoaderScript.standardDirectory, files: [File], host: HostTraits = HostTraits()) {
    self.directory = directory
    self.files = files
    self.host = host
  }

  /// The files of one attempt.
  ///
  /// - Parameter sync: what copies results, or nil if nothing does.
  /// - Throws: `ProviderError` with code `invalid` for what no process can be given.
  package init(
    _ job: BootstrapJob, channel: ChannelSettings, sync: SyncJob?, directory: String = LoaderScript.standardDirectory,
    host: HostTraits = HostTraits()
  ) throws(ProviderError) {
    var files = [
      File(BootstrapScript.File.script, BootstrapScript.text, isExecutable: true),
      File(BootstrapScript.File.configuration, Array(try job.configuration().utf8)),
      File(BootstrapScript.File.inputs, Array(job.manifest().utf8)),
      File(ChannelScript.File.script, ChannelScript.text, isExecutable: true),
      File(ChannelScript.File.configuration, Array(try channel.configuration().utf8)),
    ]
    if var sync {
      if channel.remote != .present, sync.environment["RCLONE_CONFIG"] == nil {
        sync.environment["RCLONE_CONFIG"] = directory + "/" + ChannelScript.File.remoteConfiguration
      }
      files += [
        File(SyncScript.File.script, SyncScript.text, isExecutable: true),
        File(SyncScript.File.configuration, Array(try sync.configuration(directory: directory).utf8)),
        File(ChannelScript.File.preparing, []),
      ]
    }
    self.init(directory: directory, files: files, host: host)
  }

  /// The script.
  ///
  /// Throws `invalid` for a folder or the name of a file that can't be one.
  package func bytes() throws(ProviderError) -> [UInt8] {
    try LoaderScript.check(directory: directory)
    for file in files where !Self.isName(file.name) {
      throw ProviderError(
        .invalid, "'\(file.name)' can not be the name of an instance's file",
        remedy: "Use letters, digits, '.', '-', '_'")
    }
    // Last, so that a bundle that was cut off is known by what it ends with.
    let end = Array("\n# cloudjobs-bundle-end\n".utf8)
    let payload = files.reduce(end.count) { $0 + $1.bytes.count }
    let list = files.map { "\($0.bytes.count) \($0.isExecutable ? "700" : "600") \($0.name)" }
    let lines =
      [
        "#!/bin/sh",
        "up_directory=" + quoted(directory),
        "up_bytes=\(payload)",
        "up_files=" + quoted(list.joined(separator: "\n")),
      ] + host.lines
    var bytes = Array((lines.joined(separator: "\n") + "\n").utf8)
    bytes += PackageResources.apart_sh
    bytes += PackageResources.bundle_sh
    for file in files { bytes += file.bytes }
    return bytes + end
  }

  private static func isName(_ name: String) -> Bool {
    !name.isEmpty && name.utf8.count <= 100 && name.first != "-" && name != "." && name != ".."
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
          true
        default: false
        }
      }
  }
}

extension InstanceBundle: CustomStringConvertible {
  /// Without the contents, in which there are addresses.
  package var description: String { "InstanceBundle(\(files.map(\.name).joined(separator: ", ")))" }
}
