/// Which addresses are no place for a request that came from a configuration file: this machine, its network, and what
/// is not routed on the Internet (IANA's special-purpose address registries, RFC 6890).
///
/// It looks at the address that is really connected to, so neither `0x7f.1` nor a name that resolves to a private
/// address gets past it.
enum AddressRule {
  /// Whether `bytes`, 4 or 16 in network order, are a private or special address. Anything else counts as private.
  static func isPrivate(_ bytes: [UInt8]) -> Bool {
    switch bytes.count {
    case 4: isPrivate4(bytes[0], bytes[1], bytes[2])
    case 16: isPrivate6(bytes)
    default: true
    }
  }

  private static func isPrivate4(_ a: UInt8, _ b: UInt8, _ c: UInt8) -> Bool {
    switch (a, b, c) {
    case (0, _, _), (10, _, _), (127, _, _): true
    case (100, 64...127, _): true  // carrier-grade NAT
    case (169, 254, _): true  // link-local, and the clouds' metadata services
    case (172, 16...31, _), (192, 168, _): true
    case (192, 0, 0), (192, 0, 2), (198, 51, 100), (203, 0, 113): true  // protocol assignments, documentation
    case (192, 88, 99), (198, 18...19, _): true  // 6to4 relays, benchmarks
    case (224..., _, _): true  // multicast, reserved, broadcast
    default: false
    }
  }

  private static func isPrivate6(_ bytes: [UInt8]) -> Bool {
    // Global unicast is 2000::/3 alone; within ::/8 and 64:ff9b::/96 an IPv4 address may be hidden.
    let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
    let translated: [UInt8] = [0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0]
    if bytes.starts(with: mapped) || bytes.starts(with: translated) {
      return isPrivate4(bytes[12], bytes[13], bytes[14])
    }
    guard bytes[0] & 0xE0 == 0x20 else { return true }
    if bytes[0] == 0x20, bytes[1] == 0x02 { return isPrivate4(bytes[2], bytes[3], bytes[4]) }  // 6to4
    if bytes.starts(with: [0x20, 0x01, 0x0D, 0xB8]) { return true }  // documentation
    if bytes.starts(with: [0x20, 0x01]), bytes[2] & 0xFE == 0 { return true }  // Teredo and other assignments
    if bytes.starts(with: [0x3F, 0xFF]), bytes[2] & 0xF0 == 0 { return true }  // documentation
    return false
  }
}
