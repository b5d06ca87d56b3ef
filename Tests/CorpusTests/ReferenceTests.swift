import Files
import Randomness
import Testing

@testable import Corpus

/// Does what `prepare` does in the simplest way: whole texts in memory, dictionaries, the standard library's UTF-8.
private struct Reference {
    var tokens: [[UInt8]] = []
    var counts: [Int] = []
    var ids: [[Int32]] = []

    /// - Parameter texts: of train, valid and test, without byte-order marks.
    /// - Throws: `TextError` with the file's number as its name, offsets in the text.
    init(_ level: TokenLevel, _ texts: [[UInt8]], limit: Int?) throws {
        let unknown = bytes("<unk>")
        let parts = try texts.enumerated().map { try Reference.split($1, level, file: "\($0)") }
        var frequency: [[UInt8]: Int] = level == .word ? [unknown: 0, bytes("<eos>"): 0] : [:]
        for symbol in parts[0] { frequency[symbol, default: 0] += 1 }
        func ordered() -> [[UInt8]] {
            frequency.keys.sorted {
                frequency[$0]! != frequency[$1]! ? frequency[$0]! > frequency[$1]! : $0.lexicographicallyPrecedes($1)
            }
        }
        let isMissing = parts[1...].joined().contains { frequency[$0] == nil }
        if frequency[unknown] == nil, isMissing || frequency.count > limit ?? .max { frequency[unknown] = 0 }
        let special = [unknown, bytes("<eos>")].filter { level == .word || $0 == unknown && frequency[unknown] != nil }
        for symbol in ordered().filter({ !special.contains($0) }).dropFirst((limit ?? .max) - special.count) {
            frequency[unknown]! += frequency.removeValue(forKey: symbol)!
        }
        tokens = ordered()
        counts = tokens.map { frequency[$0]! }
        let numbers = Dictionary(uniqueKeysWithValues: zip(tokens, Int32(0)...))
        ids = parts.map { $0.map { numbers[$0] ?? numbers[unknown]! } }
    }

    private static func split(_ text: [UInt8], _ level: TokenLevel, file: String) throws -> [[UInt8]] {
        switch level {
        case .byte: return text.map { [$0] }
        case .character:
            guard let string = String(validating: text, as: UTF8.self) else {
                throw TextError.invalidUTF8(file: file, offset: validPrefix(text))
            }
            return string.unicodeScalars.map { Array(String($0).utf8) }
        case .word, .piece:
            var symbols: [[UInt8]] = []
            var word: [UInt8] = []
            for (index, byte) in (text + (text.last == 10 ? [] : [10])).enumerated() {
                guard [9, 10, 11, 12, 13, 32].contains(byte) else {
                    word.append(byte)
                    continue
                }
                if !word.isEmpty {
                    let valid = validPrefix(word)
                    guard valid == word.count else {
                        throw TextError.invalidUTF8(file: file, offset: index - word.count + valid)
                    }
                    let parts = String(decoding: word, as: UTF8.self).unicodeScalars.split(whereSeparator: \.properties.isWhitespace)
                    symbols += parts.map { Array(String($0).utf8) }
                }
                word = []
                if byte == 10 { symbols.append(bytes("<eos>")) }
            }
            return symbols
        }
    }

    /// Length of the longest prefix that is UTF-8.
    private static func validPrefix(_ text: [UInt8]) -> Int {
        (0...text.count).last { String(validating: text[..<$0], as: UTF8.self) != nil }!
    }
}

@Suite struct ReferenceTests {
    /// In memory, if the machine has such a file system: thousands of small files are made durable.
    private let folder = TemporaryFolder(in: Folder.isFolder("/dev/shm") ? "/dev/shm" : "/tmp")

    private static let fragments: [[UInt8]] =
        [
            "a", "b", "the", " ", " ", "\n", "\r\n", "\t", "\u{0B}", "\u{0C}", "\u{08}", "\u{0E}", "\u{1F}", "!", "\0", "\u{7F}",
            "<unk>", "<eos>", "\u{FEFF}", "é", "e\u{301}", "\u{85}", "\u{A0}", "—", "語", "\u{FFFF}", "😀", "\u{10FFFF}",
            "sevenix", "eight888", "eight889", "ninechars", "ninecharz", "sixteen_bytes_ok", "seventeen_bytes_k", "\n\n",
        ].map(bytes)
    private static let broken: [[UInt8]] = [
        [0x80], [0xC3], [0xC0, 0xAF], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xF0, 0x9F, 0x98], [0xF4, 0x90, 0x80, 0x80], [0xFF],
    ]

    /// Odd texts, some of them not UTF-8, read through buffers so small that their borders fall into characters, words and
    /// line ends.
    @Test(arguments: [TokenLevel.byte, .character, .word])
    func sameAsTheReference(level: TokenLevel) throws {
        var draw = PhiloxSequence(seed: 17, purpose: .corpus)
        func below(_ limit: Int) -> Int { Int(draw.uniform() * Double(limit)) }
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        var (sound, refused) = (0, 0)
        for _ in 0..<600 {
            let breaks = below(3) == 0
            let texts = (0..<3).map { _ in
                (0...below(40)).flatMap { _ in
                    breaks && below(40) == 0 ? Self.broken[below(8)] : Self.fragments[below(Self.fragments.count)]
                }
            }
            let limit = below(2) == 0 ? nil : 3 + below(12)
            let start = texts.map { level != .byte && $0.starts(with: mark) ? 3 : 0 }
            guard !zip(texts, start).contains(where: { $0.count == $1 }) else { continue }
            let read = {
                try dataset(
                    level, train: texts[0], valid: texts[1], test: texts[2], vocabularySize: limit,
                    bufferSize: 1 + below(24), in: folder
                ).dataset
            }
            do {
                let expected = try Reference(level, zip(texts, start).map { Array($0.dropFirst($1)) }, limit: limit)
                let found = try read()
                #expect((0..<found.vocabulary.count).map { Array(found.vocabulary.bytes(of: $0)) } == expected.tokens)
                #expect(found.vocabulary.occurrences == expected.counts)
                #expect(try Split.allCases.map { try found.ids($0) } == expected.ids)
                let unknown = Int32(found.vocabulary.unknown ?? -1)
                for (split, ids) in zip(Split.allCases, expected.ids) {
                    #expect(found.manifest.splits[split]?.unknown == ids.count { $0 == unknown })
                    #expect(
                        found.manifest.splits[split]?.sha256
                            == (try Digest.sha256(ofFile: "\(folder.path)/data/\(split.rawValue).npy")))
                }
                for (text, input) in zip(texts, found.manifest.inputs) {
                    #expect(input.sha256 == text.withUnsafeBytes { Digest.sha256($0) })
                }
                sound += 1
            } catch TextError.invalidUTF8(let file?, let offset) {
                let number = Int(file)!
                let path = "\(folder.path)/\(Split.allCases[number].rawValue)"
                #expect(throws: TextError.invalidUTF8(file: path, offset: offset + start[number])) { _ = try read() }
                refused += 1
            }
        }
        #expect(sound > 300)
        #expect(level == .byte || refused > 50)
    }

    @Test func whiteSpaceIsFoundEightBytesAtOnce() {
        for position in 0..<8 {
            for byte in UInt8.min...(.max) {
                for other: UInt64 in [0x00, 0x08, 0x1F, 0x21, 0x7F, 0x80, 0x8A, 0xA0, 0xFF] {
                    let shift = UInt64(position * 8)
                    let eight = other &* 0x0101_0101_0101_0101 & ~(0xFF << shift) | UInt64(byte) << shift
                    #expect(whiteSpace(in: eight) == (isWhiteSpace(byte) ? 0x80 << shift : 0))
                }
            }
        }
    }
}
