/// The checksum of event files and TFRecords: CRC-32 with Castagnoli's polynomial (RFC 3720, appendix B.4).
enum CRC32C {
    /// The remainder of each byte; the polynomial, like the whole computation, has its bits reversed.
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { crc, _ in crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ 0x82F6_3B78 }
    }

    static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        ~bytes.reduce(~0) { crc, byte in table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] ^ crc >> 8 }
    }

    /// Rotated and shifted, because the checksum of data that contains its own checksum is weak (TensorFlow,
    /// tensorflow/core/lib/hash/crc32c.h).
    static func masked(_ bytes: some Sequence<UInt8>) -> UInt32 {
        let crc = checksum(bytes)
        return (crc >> 15 | crc << 17) &+ 0xA282_EAD8
    }
}
