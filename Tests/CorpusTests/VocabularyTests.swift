import Diagnostics
import Testing

@testable import Corpus

@Suite struct UnfinishedUTF8Tests {
    /// For every prefix of a text, the remainder is the unfinished last character.
    @Test func whatIsHeldBackIsTheBeginningOfACharacter() {
        let text = "a\u{E9}\u{20AC}\u{1F600}z\u{10FFFF}\u{800}"
        var whole = 0
        for scalar in text.unicodeScalars {
            let length = UTF8.encode(scalar)!.count
            for part in 0..<length { #expect(unfinishedUTF8(in: Array(text.utf8.prefix(whole + part))) == part) }
            whole += length
        }
        #expect(unfinishedUTF8(in: Array(text.utf8)) == 0)
    }

    /// A sequence that no byte can complete is not kept waiting.
    @Test(arguments: [[0x80], [0xC0], [0xFF], [0xE0, 0x80], [0xED, 0xA0], [0xF5, 0x80], [0xE2, 0x41], [0xF4, 0x90]] as [[UInt8]])
    func brokenBytesAreLetGo(bytes: [UInt8]) { #expect(unfinishedUTF8(in: bytes) == 0) }
}

@Suite struct VocabularyTests {
    @Test func mostFrequentFirstAndTiesByBytes() throws {
        // Three of b; two each of a, z, é (C3 A9) and U+FF5A (EF BD 9A): bytes decide, not any collation.
        let vocabulary = try vocabulary("bébaézzab\u{FF5A}\u{FF5A}", .character)
        #expect(vocabulary.strings == ["b", "a", "z", "é", "\u{FF5A}"])
        #expect(vocabulary.occurrences == [3, 2, 2, 2, 2])
        #expect(vocabulary.unknown == nil)
        #expect(vocabulary.endOfSentence == nil)
    }

    @Test func canonicallyEquivalentStringsAreDifferentTokens() throws {
        let vocabulary = try vocabulary("\u{E9} e\u{301} e\u{301}", .word)
        #expect(vocabulary.count == 4)
        #expect(vocabulary.occurrences == [2, 1, 1, 0])
    }

    @Test func wordsAreSplitOnWhiteSpace() throws {
        let vocabulary = try vocabulary("a\tb\rc\u{0B}d\u{0C}e f\u{A0}g\u{2003}h\u{1F}\n", .word)
        #expect(Set(vocabulary.strings) == ["a", "b", "c", "d", "e", "f", "g", "h\u{1F}", "<eos>", "<unk>"])
        #expect(vocabulary.unfinishedWord(of: bytes("a b\u{3000}cd")) == bytes("cd")[...])
        #expect(vocabulary.unfinishedWord(of: bytes("a b\u{3000}")).isEmpty)
        #expect(vocabulary.unfinishedWord(of: bytes("语")) == bytes("语")[...])
    }

    @Test(arguments: [
        ("", 0), ("a", 1), ("a\n", 1), ("a\n\n", 2), ("\n\na", 3), (" \n", 1), ("a\n ", 2), ("a\r\nb\r\n", 2),
    ])
    func everyLineEndsOnce(text: String, lines: Int) throws {
        let vocabulary = try vocabulary("a b", .word)
        let ids = try vocabulary.encode(bytes(text))
        #expect(ids.count(where: { Int($0) == vocabulary.endOfSentence }) == lines)
    }

    @Test func promptsMayLeaveTheLastLineOpen() throws {
        let vocabulary = try vocabulary("a b", .word)
        #expect(try vocabulary.decode(vocabulary.encode(bytes("a\nb a"), completingLastLine: false)) == bytes("a\nb a"))
        #expect(try vocabulary.decode(vocabulary.encode(bytes("a\nb a"))) == bytes("a\nb a\n"))
    }

    @Test func onlyBytesKeepALeadingByteOrderMark() throws {
        let text = bytes("\u{FEFF}ab\u{FEFF}")
        for level in [TokenLevel.character, .word] {
            #expect(try vocabulary("ab", level).text(ofFile: text) == bytes("ab\u{FEFF}"))
        }
        #expect(try vocabulary("ab", .byte).text(ofFile: text) == text)
    }

    @Test func specialTokensInTheTextAreTheSpecialTokens() throws {
        let vocabulary = try vocabulary("<unk> a <unk> <eos> <unk>\n", .word)
        #expect(vocabulary.strings == ["<unk>", "<eos>", "a"])
        #expect(vocabulary.occurrences == [3, 2, 1])
        #expect(try vocabulary.encode(bytes("never <eos> a")) == [0, 1, 2, 1])
    }

    @Test func limitKeepsTheMostFrequentAndCountsSpecialTokens() throws {
        let vocabulary = try vocabulary("d d d d c c c b b a\n", .word, limit: 4)
        // a and b became <unk>, which is as frequent as c now and sorts before it.
        #expect(vocabulary.strings == ["d", "<unk>", "c", "<eos>"])
        #expect(vocabulary.occurrences == [4, 3, 3, 1])
        #expect(try self.vocabularyOf("aaabbc", limit: 2) == ["<unk>", "a"])
        #expect(try self.vocabularyOf("aaabbc", limit: 3) == ["a", "b", "c"])
    }

    private func vocabularyOf(_ text: String, limit: Int) throws -> [String] {
        try vocabulary(text, .character, limit: limit).strings
    }

    @Test func unknownSymbolIsAnErrorThatNamesIt() throws {
        let characters = try vocabulary("abc", .character)
        #expect(throws: TextError.notInVocabulary(symbol: "\"é\" (U+00E9)", file: nil, offset: 2)) {
            try characters.encode(bytes("abéc"))
        }
        #expect(throws: TextError.notInVocabulary(symbol: "byte 0xC3", file: nil, offset: 1)) {
            try vocabulary("abc", .byte).encode(bytes("aéc"))
        }
        #expect(try vocabulary("aab", .character, needsUnknown: true).encode(bytes("béa")) == [1, 2, 0])
    }

    @Test func hashDependsOnLevelTokensAndOrderOnly() throws {
        let hashes = try [
            vocabulary("aab", .character), vocabulary("abb", .character), vocabulary("aab", .byte),
            vocabulary("aab", .character, needsUnknown: true), vocabulary("aa b", .word), vocabulary("a ab", .word),
        ].map(\.hash)
        #expect(Set(hashes).count == hashes.count)
        #expect(try vocabulary("aaaab", .character).hash == hashes[0])
    }

    /// First byte that cannot be part of a well-formed sequence starting where the offset says.
    @Test(
        arguments: [
            ([0x61, 0x80], 1),  // stray continuation
            ([0x61, 0xC0, 0xAF], 1),  // overlong
            ([0xE0, 0x9F, 0xBF], 0),  // overlong
            ([0x61, 0x62, 0xED, 0xA0, 0x80], 2),  // surrogate
            ([0xF4, 0x90, 0x80, 0x80], 0),  // above U+10FFFF
            ([0xF0, 0x8F, 0xBF, 0xBF], 0),  // overlong
            ([0xF5, 0x80, 0x80, 0x80], 0),
            ([0x61, 0xE2, 0x82], 1),  // cut short by the end
            ([0xE2, 0x28, 0xA1], 0),
            ([0xC3, 0xA9, 0xFF], 2),
        ] as [([UInt8], Int)])
    func invalidUTF8HasItsOffset(text: [UInt8], offset: Int) throws {
        let characters = try vocabulary("ab", .character, needsUnknown: true)
        #expect(throws: TextError.invalidUTF8(file: nil, offset: offset)) { try characters.encode(text) }
        let words = try vocabulary("ab", .word)
        #expect(throws: TextError.invalidUTF8(file: nil, offset: offset)) { try words.encode(text) }
        #expect(throws: TextError.invalidUTF8(file: nil, offset: offset + 3)) { try words.encode(bytes("ab ") + text) }
    }

    @Test func extremesOfUTF8AreCharacters() throws {
        let text = "\0\u{7F}\u{80}\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}\u{D7FF}\u{E000}"
        let vocabulary = try vocabulary(text, .character)
        #expect(vocabulary.count == 10)
        #expect(try vocabulary.decode(vocabulary.encode(bytes(text))) == bytes(text))
    }

    @Test func aWordMayBeLongButNotEndless() throws {
        let words = try vocabulary("a", .word)
        let longest = [UInt8](repeating: 0x61, count: longestWord)
        #expect(try words.encode(longest).count == 2)
        #expect(throws: TextError.wordTooLong(file: nil, offset: 2)) {
            try words.encode(bytes("a ") + longest + [0x61])
        }
    }

    @Test func manyWordsKeepTheirNumbers() throws {
        var table = ByteStringTable()
        for number in 0..<20_000 { #expect(table.insert("w\(number)".utf8) == (number, true)) }
        for number in 0..<20_000 {
            #expect(table.find("w\(number)") == number)
            #expect(table[number].elementsEqual("w\(number)".utf8))
        }
        #expect(table.find("w20000") == nil)
        #expect(table.insert("w7".utf8) == (7, false))
    }

    /// Their keys are the same; many of them are tried in each other's slots.
    @Test func lengthsDistinguishStrings() {
        var table = ByteStringTable()
        for byte in UInt8.min...(.max) {
            for length in 1...3 {
                #expect(table.insert(repeatElement(byte, count: length)) == (Int(byte) * 3 + length - 1, true))
            }
        }
        for byte in UInt8.min...(.max) {
            #expect(table.insert(repeatElement(byte, count: 3)) == (Int(byte) * 3 + 2, false))
        }
    }
}
