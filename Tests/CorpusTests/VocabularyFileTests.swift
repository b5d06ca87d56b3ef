import Diagnostics
import Files
import Testing

@testable import Corpus

@Suite struct VocabularyFileTests {
    private let folder = TemporaryFolder()

    private func load(_ json: String) throws -> Vocabulary {
        try Vocabulary(contentsOf: folder.write(json, as: "vocabulary.json"))
    }

    private func words(
        level: String = "\"word\"", tokens: String = #"["the","<eos>","<unk>"]"#, counts: String = "[5,2,0]",
        unknown: String = "2", endOfSentence: String = "1", version: String = "1",
        format: String = "lockstep vocabulary"
    ) -> String {
        """
        {"format":"\(format)","version":\(version),"level":\(level),"tokens":\(tokens),"counts":\(counts),
         "unknown":\(unknown),"end_of_sentence":\(endOfSentence)}
        """
    }

    @Test(arguments: [TokenLevel.byte, .character, .word], [nil, 5])
    func readsWhatItWrites(level: TokenLevel, limit: Int?) throws {
        let written = try vocabulary(
            "\0\u{1}\"\\/ é\u{301} <unk>\u{2028} x\u{FEFF}y \u{FFFF} zz\r\n", level, limit: limit)
        let read = try load(written.json())
        #expect(read.hash == written.hash)
        #expect(read.level == level)
        #expect(read.occurrences == written.occurrences)
        #expect(read.unknown == written.unknown)
        #expect(read.endOfSentence == written.endOfSentence)
        #expect((0..<read.count).allSatisfy { read.bytes(of: $0) == written.bytes(of: $0) })
    }

    @Test func byteTokensAreNumbers() throws {
        let read = try load(vocabulary([0xFF, 0xFF, 0x00], .byte, needsUnknown: true).json())
        #expect(read.bytes(of: 0) == [0xFF])
        #expect(try read.encode([0x00, 0xFF, 0x07]) == [1, 0, 2])
    }

    @Test func acceptsTheUndamagedExample() throws { #expect(try load(words()).count == 3) }

    @Test func eachContradictionHasItsError() throws {
        let path = "\(folder.path)/vocabulary.json"
        let cases: [(String, VocabularyError)] = [
            (words(level: "\"letter\""), .unknownLevel(file: path, level: "letter")),
            (words(tokens: "[]", counts: "[]"), .empty(file: path)),
            (words(counts: "[5,2]"), .countsDisagree(file: path, tokens: 3, counts: 2)),
            (words(counts: "[5,-2,0]"), .negativeCount(file: path, id: 1, count: -2)),
            (words(tokens: #"["the","","<unk>"]"#), .invalidToken(file: path, id: 1, level: .word)),
            (words(tokens: #"["the","a b","<unk>"]"#), .invalidToken(file: path, id: 1, level: .word)),
            (words(tokens: #"["the",7,"<unk>"]"#), .invalidToken(file: path, id: 1, level: .word)),
            (words(level: "\"character\""), .invalidToken(file: path, id: 0, level: .character)),
            (
                words(level: "\"character\"", tokens: #"["t","","<unk>"]"#),
                .invalidToken(file: path, id: 1, level: .character)
            ),
            (words(level: "\"byte\"", tokens: #"[255,256,"<unk>"]"#), .invalidToken(file: path, id: 1, level: .byte)),
            (words(level: "\"byte\"", tokens: #"[255,-1,"<unk>"]"#), .invalidToken(file: path, id: 1, level: .byte)),
            (words(level: "\"byte\"", tokens: #"[255,"a","<unk>"]"#), .invalidToken(file: path, id: 1, level: .byte)),
            (words(tokens: #"["the","<eos>","the"]"#), .duplicateToken(file: path, id: 2, first: 0)),
            (words(unknown: "1"), .specialTokenMisplaced(file: path, token: "<unk>", stated: 1, found: 2)),
            (words(endOfSentence: "null"), .specialTokenMisplaced(file: path, token: "<eos>", stated: nil, found: 1)),
            (
                words(tokens: #"["the","a","<unk>"]"#, endOfSentence: "null"),
                .specialTokenMissing(file: path, token: "<eos>")
            ),
        ]
        for (json, error) in cases { #expect(throws: error) { try load(json) } }
    }

    @Test func otherFilesAreRefused() throws {
        let path = "\(folder.path)/vocabulary.json"
        #expect(throws: JSONFileError.otherVersion(file: path, found: 2)) { try load(words(version: "2")) }
        #expect(throws: JSONFileError.otherFormat(file: path, expected: "lockstep vocabulary", found: "x")) {
            try load(words(format: "x"))
        }
        for damaged in [
            "", "{", "[]", "\u{0}", words(tokens: "{}"), words(tokens: "[[]]"), words(tokens: "[1.5,2,3]"),
            words(counts: "[5,2,1e300]"), words(counts: "[5,2,99999999999999999999]"), words(unknown: "\"2\""),
            String(words().dropLast(3)), String(repeating: "[", count: 100_000),
        ] {
            #expect(throws: JSONFileError.self) { try load(damaged) }
        }
        #expect(throws: FileError.self) { try Vocabulary(contentsOf: "\(folder.path)/missing.json") }
    }

    /// Wherever a byte is changed: an error or a vocabulary, never a trap.
    @Test func noChangedByteTraps() throws {
        let original = Array(try vocabulary("ab <unk>é c", .word).json().utf8)
        for index in original.indices {
            for byte: UInt8 in [0, UInt8(ascii: "9"), UInt8(ascii: "\""), 0xFF, original[index] ^ 1] {
                var damaged = original
                damaged[index] = byte
                let path = try folder.write(damaged, as: "damaged.json")
                do { _ = try Vocabulary(contentsOf: path) } catch { #expect(error is any DiagnosedError) }
            }
        }
    }
}
