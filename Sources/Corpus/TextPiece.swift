/// A stretch of text on its way through a scanner, which may leave an unfinished character or word at its end to be
/// presented again with more text behind it.
struct TextPiece {
    let bytes: UnsafeBufferPointer<UInt8>
    /// Position of the first byte in the file.
    let offset: Int
    /// nil for text that comes from no file.
    let file: String?
    /// Nothing follows: what is unfinished now stays so.
    let isLast: Bool
}

/// Longest word in bytes. Longer ones are no words but a file of another kind, and would need unbounded memory.
let longestWord = 65_536

extension TextPiece {
    /// Calls `body` with each Unicode scalar value and its index in `bytes`.
    /// - Returns: the number of bytes consumed; all of them in the last piece.
    /// - Throws: `TextError.invalidUTF8`.
    @inline(__always)
    func scanCharacters(_ body: (_ scalar: UInt32, _ index: Int) throws -> Void) throws -> Int {
        var index = 0
        while index < bytes.count {
            if bytes[index] < 0x80 {
                try body(UInt32(bytes[index]), index)
                index += 1
                continue
            }
            switch decodeUTF8(UnsafeBufferPointer(rebasing: bytes[index...])) {
            case .scalar(let scalar, let length):
                try body(scalar, index)
                index += length
            case .cutShort where !isLast:
                return index
            case .cutShort, .illFormed:
                throw TextError.invalidUTF8(file: file, offset: offset + index)
            }
        }
        return index
    }

    /// Calls `word` with each stretch of bytes between ASCII white space (space, tab, LF, VT, FF, CR) and its index in
    /// `bytes`, and `lineEnd` after each LF and after a last line without one.
    /// - Returns: the number of bytes consumed; all of them in the last piece.
    /// - Throws: `TextError.wordTooLong`.
    @inline(__always)
    func scanWords(
        completingLastLine: Bool = true, word: (UnsafeBufferPointer<UInt8>, _ index: Int) throws -> Void,
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
            var end = index + 1
            while end < bytes.count, !isWhiteSpace(bytes[end]) { end += 1 }
            guard end - index <= longestWord else { throw TextError.wordTooLong(file: file, offset: offset + index) }
            if end == bytes.count, !isLast { return index }
            try word(UnsafeBufferPointer(rebasing: bytes[index..<end]), index)
            index = end
        }
        if isLast, completingLastLine, let last = bytes.last, last != newline { try lineEnd() }
        return index
    }

    /// - Throws: `TextError.invalidUTF8` at the first byte of `word`, which starts at `index`, that breaks UTF-8.
    func requireUTF8(_ word: UnsafeBufferPointer<UInt8>, at index: Int) throws {
        let piece = TextPiece(bytes: word, offset: offset + index, file: file, isLast: true)
        _ = try piece.scanCharacters { _, _ in }
    }
}

let newline = UInt8(ascii: "\n")

@inline(__always)
func isWhiteSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte &- 0x09 < 5 }

enum UTF8Sequence {
    case scalar(UInt32, length: Int)
    /// So far well-formed, but the bytes end before the character does.
    case cutShort
    case illFormed
}

/// The first character of `bytes`, which are not empty. Accepts exactly the well-formed sequences of the Unicode
/// Standard's table 3-7: nothing overlong, no surrogates, nothing above U+10FFFF.
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
