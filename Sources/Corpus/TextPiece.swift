/// A piece of text for a scanner, which may leave an unfinished character or word at its end to be
/// presented again with more text after it.
struct TextPiece {
    let bytes: UnsafeBufferPointer<UInt8>
    /// Position of the first byte in the file.
    let offset: Int
    /// nil for text that does not come from a file.
    let file: String?
    /// Whether this is the last piece: what is unfinished now stays unfinished.
    let isLast: Bool
}

/// The longest permitted word, in bytes. A longer one means that the file is not text, and would need unbounded memory.
let longestWord = 65_536

extension TextPiece {
    /// Writes each byte to `values`, which has room for all of them.
    func readBytes(into values: UnsafeMutablePointer<Int32>) {
        for index in 0..<bytes.count { values[index] = Int32(bytes[index]) }
    }

    /// Writes the Unicode scalar values to `scalars`, which has room for as many as there are bytes.
    /// - Returns: the number of bytes consumed, all of them in the last piece, and of scalars.
    /// - Throws: `TextError.invalidUTF8`.
    func readCharacters(
        into scalars: UnsafeMutablePointer<Int32>
    ) throws -> (consumed: Int, produced: Int) {
        guard let base = bytes.baseAddress else { return (0, 0) }
        var index = 0
        var produced = 0
        while index < bytes.count {
            // Eight bytes at once: bytes before the first that is not ASCII are complete characters.
            if index + 8 <= bytes.count {
                let eight = UnsafeRawPointer(base + index).loadUnaligned(as: SIMD8<UInt8>.self)
                UnsafeMutableRawPointer(scalars + produced)
                    .storeBytes(of: SIMD8<Int32>(truncatingIfNeeded: eight), as: SIMD8<Int32>.self)
                let notASCII = unsafeBitCast(eight, to: UInt64.self).littleEndian & everyByte(0x80)
                index += notASCII.trailingZeroBitCount / 8
                produced += notASCII.trailingZeroBitCount / 8
                if notASCII == 0 { continue }
            }
            switch decodeUTF8(UnsafeBufferPointer(rebasing: bytes[index...])) {
            case .scalar(let scalar, let length):
                scalars[produced] = Int32(scalar)
                produced += 1
                index += length
            case .cutShort where !isLast:
                return (index, produced)
            case .cutShort, .illFormed:
                throw TextError.invalidUTF8(file: file, offset: offset + index)
            }
        }
        return (index, produced)
    }

    /// Calls `word` with each stretch of bytes between white space and its index in `bytes`, and `lineEnd` after each LF and
    /// after a last line without one. White space is Unicode's (the property White_Space); between pieces ASCII's alone, since
    /// a piece may hold any other.
    /// - Returns: the number of bytes consumed; all of them in the last piece.
    /// - Throws: `TextError.wordTooLong`.
    @inline(__always)
    func scanWords(
        _ level: TokenLevel, completingLastLine: Bool = true, word: (UnsafeBufferPointer<UInt8>, _ index: Int) throws -> Void,
        lineEnd: () throws -> Void
    ) throws -> Int {
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if isWhiteSpace(byte) {
                if byte == newline { try lineEnd() }
                index += 1
                continue
            }
            if level == .word, byte >= 0x80 {
                let length = lengthOfWhiteSpace(bytes[index...])
                if length > 0 {
                    index += length
                    continue
                }
            }
            let end = level == .word ? wordEnd(from: index) : pieceEnd(from: index)
            guard end - index <= longestWord else { throw TextError.wordTooLong(file: file, offset: offset + index) }
            if end == bytes.count, !isLast { return index }
            try word(UnsafeBufferPointer(rebasing: bytes[index..<end]), index)
            index = end
        }
        if isLast, completingLastLine, let last = bytes.last, last != newline { try lineEnd() }
        return index
    }

    /// The index of the first ASCII white space from `index` on, or the number of bytes.
    @inline(__always)
    private func pieceEnd(from index: Int) -> Int {
        var end = index
        while end + 8 <= bytes.count {
            let eight = UnsafeRawPointer(bytes.baseAddress! + end).loadUnaligned(as: UInt64.self).littleEndian
            let found = whiteSpace(in: eight)
            if found != 0 { return end + found.trailingZeroBitCount / 8 }
            end += 8
        }
        while end < bytes.count, !isWhiteSpace(bytes[end]) { end += 1 }
        return end
    }

    /// The index of the first white space from `index` on, or the number of bytes.
    @inline(__always)
    private func wordEnd(from index: Int) -> Int {
        var end = index
        while end < bytes.count {
            if end + 8 <= bytes.count {
                let eight = UnsafeRawPointer(bytes.baseAddress! + end).loadUnaligned(as: UInt64.self).littleEndian
                let found = whiteSpace(in: eight) | eight & everyByte(0x80)
                if found == 0 {
                    end += 8
                    continue
                }
                end += found.trailingZeroBitCount / 8
            }
            let byte = bytes[end]
            if byte < 0x80 ? isWhiteSpace(byte) : lengthOfWhiteSpace(bytes[end...]) > 0 { return end }
            end += 1
            while end < bytes.count, bytes[end] & 0xC0 == 0x80 { end += 1 }
        }
        return end
    }

    /// - Throws: `TextError.invalidUTF8` at the first byte of `word`, which starts at `index`, that breaks UTF-8.
    func requireUTF8(_ word: UnsafeBufferPointer<UInt8>, at index: Int) throws {
        var start = 0
        while start < word.count {
            guard case .scalar(_, let length) = decodeUTF8(UnsafeBufferPointer(rebasing: word[start...])) else {
                throw TextError.invalidUTF8(file: file, offset: offset + index + start)
            }
            start += length
        }
    }
}

let newline = UInt8(ascii: "\n")

/// ASCII white space, which separates words and pieces.
@inline(__always)
package func isWhiteSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte &- 0x09 < 5 }

/// The bytes of the white space beyond ASCII that `bytes` begin with; 0 when they begin with something else.
@inline(__always)
func lengthOfWhiteSpace(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> Int {
    let rest = UnsafeBufferPointer(rebasing: bytes)
    switch rest.first {
    case 0xC2:  // U+0085, U+00A0
        return rest.count >= 2 && (rest[1] == 0x85 || rest[1] == 0xA0) ? 2 : 0
    case 0xE1:  // U+1680
        return rest.count >= 3 && rest[1] == 0x9A && rest[2] == 0x80 ? 3 : 0
    case 0xE2 where rest.count >= 3 && rest[1] == 0x80:  // U+2000 to U+200A, U+2028, U+2029, U+202F
        return 0x80...0x8A ~= rest[2] || rest[2] == 0xA8 || rest[2] == 0xA9 || rest[2] == 0xAF ? 3 : 0
    case 0xE2:  // U+205F
        return rest.count >= 3 && rest[1] == 0x81 && rest[2] == 0x9F ? 3 : 0
    case 0xE3:  // U+3000
        return rest.count >= 3 && rest[1] == 0x80 && rest[2] == 0x80 ? 3 : 0
    default: return 0
    }
}

/// Eight times the same byte.
@inline(__always)
private func everyByte(_ byte: UInt64) -> UInt64 { byte &* 0x0101_0101_0101_0101 }

/// The top bit of each of eight bytes is set if the byte is white space. Sums of two numbers below 128 do not carry into the next
/// byte, so all eight are compared at once.
@inline(__always)
func whiteSpace(in eight: UInt64) -> UInt64 {
    let low = eight & everyByte(0x7F)
    let controls = (low &+ everyByte(0x80 - 0x09)) & ~(low &+ everyByte(0x80 - 0x0E))  // from 0x09, below 0x0E
    let spaces = (low &+ everyByte(0x80 - 0x20)) & ~(low &+ everyByte(0x80 - 0x21))
    return (controls | spaces) & ~eight & everyByte(0x80)
}

/// How many bytes at the end of `bytes` start a UTF-8 character that later bytes may complete: 0 to 3.
package func unfinishedUTF8(in bytes: [UInt8]) -> Int {
    bytes.withUnsafeBufferPointer { bytes in
        for length in stride(from: min(3, bytes.count), to: 0, by: -1) {
            if case .cutShort = decodeUTF8(UnsafeBufferPointer(rebasing: bytes.suffix(length))) { return length }
        }
        return 0
    }
}

enum UTF8Sequence {
    case scalar(UInt32, length: Int)
    /// Well-formed so far, but the bytes end before the character does.
    case cutShort
    case illFormed
}

/// The first character of `bytes`, which are not empty. Accepts exactly the well-formed sequences of the Unicode
/// Standard's table 3-7: no overlong sequences, no surrogates, nothing above U+10FFFF.
func decodeUTF8(_ bytes: UnsafeBufferPointer<UInt8>) -> UTF8Sequence {
    let lead = bytes[0]
    let length: Int
    var allowed: ClosedRange<UInt8> = 0x80...0xBF  // for the second byte
    var scalar: UInt32
    switch lead {
    case 0...0x7F: return .scalar(UInt32(lead), length: 1)
    case 0xC2...0xDF: (length, scalar) = (2, UInt32(lead & 0x1F))
    case 0xE0...0xEF:
        (length, scalar) = (3, UInt32(lead & 0x0F))
        if lead == 0xE0 { allowed = 0xA0...0xBF }
        if lead == 0xED { allowed = 0x80...0x9F }
    case 0xF0...0xF4:
        (length, scalar) = (4, UInt32(lead & 0x07))
        if lead == 0xF0 { allowed = 0x90...0xBF }
        if lead == 0xF4 { allowed = 0x80...0x8F }
    default: return .illFormed
    }
    for index in 1..<length {
        guard index < bytes.count else { return .cutShort }
        guard allowed.contains(bytes[index]) else { return .illFormed }
        scalar = scalar << 6 | UInt32(bytes[index] & 0x3F)
        allowed = 0x80...0xBF
    }
    return .scalar(scalar, length: length)
}
