import Glibc

/// Arguments, file names and the environment are bytes, of any encoding. A string made of them keeps what is not UTF-8: byte
/// b stands as the private-use character U+10FE00 + b, and so does each byte of these characters themselves. Bytes to
/// string and back is the identity.
extension String {
    /// - Parameter bytes: of any encoding.
    package init(keeping bytes: some Collection<UInt8>) {
        let bytes = Array(bytes)
        if let text = String(validating: bytes, as: UTF8.self), !text.hasEscapes {
            self = text
            return
        }
        self = ""
        var index = 0
        while index < bytes.count {
            let scalar = (1...4).lazy.compactMap { length -> (Unicode.Scalar, Int)? in
                guard index + length <= bytes.count, let text = String(validating: bytes[index..<index + length], as: UTF8.self),
                    let scalar = text.unicodeScalars.first, scalar.byte == nil
                else { return nil }
                return (scalar, length)
            }.first
            if let (scalar, length) = scalar {
                unicodeScalars.append(scalar)
                index += length
            } else {
                unicodeScalars.append(Unicode.Scalar(0x10_FE00 + UInt32(bytes[index]))!)
                index += 1
            }
        }
    }

    /// - Parameter bytes: ended by a zero.
    package init(cBytes bytes: UnsafePointer<CChar>) {
        self.init(keeping: UnsafeBufferPointer(start: bytes, count: strlen(bytes)).map { UInt8(bitPattern: $0) })
    }

    /// The bytes that the string was made of; of any other string, its UTF-8.
    package var bytes: [UInt8] {
        guard hasEscapes else { return Array(utf8) }
        return unicodeScalars.flatMap { $0.byte.map { [$0] } ?? Array(UTF8.encode($0)!) }
    }

    /// As a C function takes it.
    package var cBytes: [CChar] { bytes.map { CChar(bitPattern: $0) } + [0] }

    /// Whether it keeps bytes that are not UTF-8.
    package var hasEscapes: Bool {
        utf8.contains(0xF4) && unicodeScalars.contains { $0.byte != nil }  // their first byte
    }
}

extension Unicode.Scalar {
    /// The byte that is not UTF-8 for which this character stands.
    var byte: UInt8? { 0x10_FE80...0x10_FEFF ~= value ? UInt8(truncatingIfNeeded: value) : nil }
}
