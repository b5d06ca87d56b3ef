import Randomness

/// Makes damaged files from valid ones. Input N of a seed is always the same.
struct Mutator {
    /// Sound files.
    let originals: [[UInt8]]
    /// Words of the format, to be put where they do not belong.
    let words: [[UInt8]]
    let seed: UInt64

    /// Damaged files grow to this size at most.
    private static let largest = 1 << 16

    func input(_ number: Int) -> [UInt8] {
        var random = PhiloxSequence(seed: seed, purpose: .corpus, stream: UInt64(number))
        func below(_ limit: Int) -> Int { Int(random.uniform() * Double(limit)) }
        func span(in bytes: [UInt8]) -> Range<Int> {
            let start = below(bytes.count + 1)
            // Mostly short.
            let length = below(below(bytes.count - start + 1) + 1)
            return start..<start + length
        }
        var bytes = originals[below(originals.count)]
        for _ in 0...below(below(6) + 1) {
            let at = below(bytes.count + 1)
            switch below(12) {
            case 0 where !bytes.isEmpty: bytes[min(at, bytes.count - 1)] ^= 1 << UInt8(below(8))
            case 1 where !bytes.isEmpty: bytes[min(at, bytes.count - 1)] = UInt8(below(256))
            case 2: bytes.removeSubrange(at...)
            case 3: bytes.insert(contentsOf: (0...below(8)).map { _ in UInt8(below(256)) }, at: at)
            case 4: bytes.insert(contentsOf: words[below(words.count)], at: at)
            case 5: bytes.removeSubrange(span(in: bytes))
            case 6: bytes.insert(contentsOf: bytes[span(in: bytes)], at: at)
            case 7:
                // The start of one file and the end of another, or a part of the other inside.
                let other = originals[below(originals.count)]
                if below(2) == 0 {
                    bytes = Array(bytes[..<at] + other[below(other.count + 1)...])
                } else {
                    bytes.insert(contentsOf: other[span(in: other)], at: at)
                }
            case 8:
                let number = Self.numbers[below(Self.numbers.count)]
                if let digits = Self.digits(in: bytes, from: at) { bytes.replaceSubrange(digits, with: number) }
            case 9:
                // A number as bytes, of one to eight bytes.
                let value = Self.values[below(Self.values.count)]
                for offset in 0..<(1 << below(4)) where at + offset < bytes.count {
                    bytes[at + offset] = UInt8(truncatingIfNeeded: value >> UInt64(8 * offset))
                }
            case 10:
                // One word in place of another.
                if let word = Self.word(in: bytes, from: at) {
                    bytes.replaceSubrange(word, with: words[below(words.count)])
                }
            default:
                let count = 1 << below(13)
                bytes.insert(contentsOf: (0..<count).flatMap { [word = words[below(words.count)]] _ in word }, at: at)
            }
            if bytes.count > Self.largest { bytes.removeSubrange(Self.largest...) }
        }
        return bytes
    }

    /// Numbers as text: around the limits of the number types, and values that are not whole numbers.
    private static let numbers: [[UInt8]] = [
        "0", "-0", "1", "-1", "2", "7", "00", "255", "256", "65535", "65536", "65537", "2147483647", "2147483648", "-2147483649",
        "4294967295", "4294967296", "9007199254740993", "4611686018427387904", "9223372036854775807", "9223372036854775808",
        "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616", "1e18", "1e19",
        "1e308", "-1e308", "1e999", "1e-999", "0.5", "1.0", "nan", "inf", "\"1\"", "0x10", "1_000",
        String(repeating: "9", count: 400),
    ].map { Array($0.utf8) }

    private static let values: [UInt64] = [
        0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x1_0000_0000,
        0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, .max, 100_000_000, 0x7F80_0000, 0x7FC0_0000,
    ]

    /// The first number in the text at or after `index`.
    private static func digits(in bytes: [UInt8], from index: Int) -> Range<Int>? {
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        guard let start = bytes[index...].firstIndex(where: { digits ~= $0 }) else { return nil }
        return start..<(bytes[start...].firstIndex { !(digits ~= $0) } ?? bytes.count)
    }

    private static func word(in bytes: [UInt8], from index: Int) -> Range<Int>? {
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        guard let start = bytes[index...].firstIndex(where: { letters ~= $0 }) else { return nil }
        return start..<(bytes[start...].firstIndex { !(letters ~= $0) } ?? bytes.count)
    }
}
