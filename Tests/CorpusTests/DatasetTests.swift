import Diagnostics
import Files
import Glibc
import Randomness
import Testing

@testable import Corpus

/// A dataset made from files with these contents, and what was said meanwhile.
func dataset(
    _ level: TokenLevel, train: [UInt8], valid: [UInt8], test: [UInt8]? = nil, vocabularySize: Int? = nil,
    bufferSize: Int = 1 << 20, in folder: TemporaryFolder
) throws -> (dataset: Dataset, notices: [DatasetWriter.Notice]) {
    var options = DatasetWriter.Options(level: level)
    options.vocabularySize = vocabularySize
    options.bufferSize = bufferSize
    options.overwrite = true
    var notices: [DatasetWriter.Notice] = []
    _ = try DatasetWriter(options) { notices.append($0) }.write(
        .separate(
            train: folder.write(train, as: "train"), valid: folder.write(valid, as: "valid"),
            test: test.map { try folder.write($0, as: "test") }),
        to: "\(folder.path)/data")
    return (try Dataset(folder: "\(folder.path)/data"), notices)
}

extension Dataset {
    func ids(_ split: Split) throws -> [Int32] {
        let tokens = try tokens(of: split)
        return tokens.tokens(in: 0..<tokens.count)
    }

    func text(_ split: Split) throws -> [UInt8] { vocabulary.decode(try ids(split)) }
}

@Suite struct DatasetTests {
    private let folder = TemporaryFolder()

    private func divide(
        _ texts: [[UInt8]], _ level: TokenLevel, _ train: Int, _ valid: Int, _ test: Int, bufferSize: Int = 1 << 20
    ) throws -> Dataset {
        var options = DatasetWriter.Options(level: level)
        options.overwrite = true
        options.bufferSize = bufferSize
        let files = try texts.enumerated().map { try folder.write($1, as: "input\($0)") }
        _ = try DatasetWriter(options).write(
            .divided(files: files, percentages: SplitPercentages(train: train, valid: valid, test: test)!),
            to: "\(folder.path)/data")
        return try Dataset(folder: "\(folder.path)/data")
    }

    @Test(arguments: [1, 2, 3, 4, 5, 7, 64, 1 << 20])
    func bytesComeBackWhateverTheBuffer(bufferSize: Int) throws {
        var random = PhiloxSequence(seed: 3, purpose: .corpus)
        let text = (0..<5000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        let dataset = try dataset(.byte, train: text, valid: [0, 255], bufferSize: bufferSize, in: folder).dataset
        #expect(try dataset.text(.train) == text)
        #expect(try dataset.text(.valid) == [0, 255])
        #expect(dataset.vocabulary.count == Set(text).count)
    }

    @Test(arguments: [1, 2, 3, 4, 5, 7, 64, 1 << 20])
    func charactersComeBackWhateverTheBuffer(bufferSize: Int) throws {
        let text = bytes(String(repeating: "aé\u{2014}\0😀\r\n語ß\u{301}\u{FEFF}", count: 50))
        let dataset = try dataset(.character, train: text, valid: text, bufferSize: bufferSize, in: folder).dataset
        #expect(try dataset.text(.train) == text)
        #expect(dataset.vocabulary.count == 11)
        #expect(dataset.manifest.splits[.train]?.tokens == 550)
    }

    @Test(arguments: [1, 2, 3, 5, 64, 1 << 20])
    func wordsAreTheSameWhateverTheBuffer(bufferSize: Int) throws {
        let text = "the cat  sat\n\n\ton the\u{2014}mat\r\nthe end"
        let dataset = try dataset(
            .word, train: bytes(text), valid: bytes("the dog sat \n"), test: bytes("x\ny"), bufferSize: bufferSize,
            in: folder
        ).dataset
        #expect(try dataset.text(.train) == bytes("the cat sat\n\non the\u{2014}mat\nthe end\n"))
        #expect(try dataset.text(.valid) == bytes("the <unk> sat\n"))
        #expect(try dataset.text(.test) == bytes("<unk>\n<unk>\n"))
        let splits = dataset.manifest.splits
        #expect(splits.mapValues(\.tokens) == [.train: 11, .valid: 4, .test: 4])
        #expect(splits.mapValues(\.unknown) == [.train: 0, .valid: 1, .test: 2])
        #expect(dataset.vocabulary.strings.prefix(3) == ["<eos>", "the", "cat"])
    }

    @Test func longWordsNeedNoLargeBuffer() throws {
        let word = [UInt8](repeating: 0x78, count: longestWord)
        let text = bytes("a ") + word + bytes(" b\n")
        #expect(try dataset(.word, train: text, valid: text, bufferSize: 16, in: folder).dataset.text(.train) == text)
        let path = "\(folder.path)/train"
        #expect(throws: TextError.wordTooLong(file: path, offset: 2)) {
            try dataset(.word, train: bytes("a x") + word, valid: text, bufferSize: 16, in: folder)
        }
    }

    @Test func invalidUTF8IsFoundInAnyFile() throws {
        let path = "\(folder.path)/valid"
        #expect(throws: TextError.invalidUTF8(file: path, offset: 5)) {
            try dataset(.character, train: bytes("abc"), valid: bytes("abcab") + [0xC3], bufferSize: 2, in: folder)
        }
        #expect(throws: TextError.invalidUTF8(file: path, offset: 3)) {
            try dataset(.word, train: bytes("abc"), valid: bytes("b a") + [0xFF], bufferSize: 2, in: folder)
        }
        #expect(throws: TextError.invalidUTF8(file: "\(folder.path)/train", offset: 4)) {
            try dataset(.word, train: bytes("a bc") + [0xFF], valid: bytes("a"), bufferSize: 2, in: folder)
        }
        #expect(!Folder.exists("\(folder.path)/data"))
        #expect(try Folder.names(in: folder.path) == ["train", "valid"])
    }

    @Test func unknownCharactersGetATokenOnlyWhenNeeded() throws {
        let plain = try dataset(.character, train: bytes("abc"), valid: bytes("cab"), in: folder)
        #expect(plain.dataset.vocabulary.unknown == nil)
        #expect(!plain.notices.contains { if case .warning = $0 { true } else { false } })

        let needed = try dataset(.character, train: bytes("aabc"), valid: bytes("cabx"), in: folder)
        #expect(needed.dataset.vocabulary.strings == ["a", "b", "c", "<unk>"])
        #expect(try needed.dataset.ids(.valid) == [2, 0, 1, 3])
        #expect(needed.notices.contains(.warning("valid: 25.000 % of the tokens are <unk>")))
    }

    @Test func mostlyUnknownWordsGiveAWarning() throws {
        let notices = try dataset(.word, train: bytes("a b\n"), valid: bytes("x y\n"), in: folder).notices
        #expect(notices.contains(.warning("valid: 66.667 % of the tokens are <unk>")))
    }

    /// Nothing to learn from about words that will be unknown.
    @Test(arguments: [("a b c\n", "a x\n", true), ("a b <unk>\n", "a x\n", false), ("a b c\n", "a b\n", false)])
    func trainingTextWithoutUnknownWordsIsNoted(train: String, valid: String, isNoted: Bool) throws {
        let notices = try dataset(.word, train: bytes(train), valid: bytes(valid), in: folder).notices
        #expect(notices.contains { if case .note(let text) = $0 { text.contains("--vocabulary-size") } else { false } } == isNoted)
    }

    @Test func byteOrderMarkIsDroppedFromTextOnly() throws {
        let text = InputFile.byteOrderMark + bytes("ab")
        let characters = try dataset(.character, train: text, valid: bytes("a"), in: folder)
        #expect(try characters.dataset.text(.train) == bytes("ab"))
        #expect(characters.notices.contains { if case .note = $0 { true } else { false } })
        #expect(characters.dataset.manifest.inputs[0].bytes == 5)
        #expect(characters.dataset.manifest.inputs[0].sha256 == (try Digest.sha256(ofFile: "\(folder.path)/train")))
        #expect(try dataset(.byte, train: text, valid: bytes("a"), in: folder).dataset.text(.train) == text)
    }

    @Test func recordsTheTruth() throws {
        let manifest = try dataset(.word, train: bytes("a b\n"), valid: bytes("a\n"), in: folder).dataset.manifest
        for (split, record) in manifest.splits {
            let path = "\(folder.path)/data/\(split.rawValue).npy"
            #expect(record.sha256 == (try Digest.sha256(ofFile: path)))
            #expect(record.bytes == (try File.contents(of: path).count))
        }
        #expect(manifest.inputs.map(\.path) == ["\(folder.path)/train", "\(folder.path)/valid"])
        for input in manifest.inputs { #expect(input.sha256 == (try Digest.sha256(ofFile: input.path))) }
    }

    @Test func cutsCharactersByPosition() throws {
        var random = PhiloxSequence(seed: 4, purpose: .corpus)
        let text = (0..<100).map { _ in UInt8(97 + random.next() % 4) }
        let dataset = try divide([text], .character, 80, 15, 5)
        #expect(try dataset.text(.train) == Array(text[..<80]))
        #expect(try dataset.text(.valid) == Array(text[80..<95]))
        #expect(try dataset.text(.test) == Array(text[95...]))
    }

    @Test(arguments: Array(stride(from: 7, through: 97, by: 3)))
    func noCutSplitsACharacterOrALine(percent: Int) throws {
        let characters = bytes(String(repeating: "é😀", count: 30))
        let divided = try divide([characters], .character, percent, 100 - percent, 0, bufferSize: 5)
        #expect(try divided.text(.train) + divided.text(.valid) == characters)

        let lines = bytes("a b\n\nc\nd e f\n\n\ng\n")
        guard percent < 90 else { return }  // then the last line belongs to train too
        let words = try divide([lines], .word, percent, 100 - percent, 0, bufferSize: 3)
        let train = try words.text(.train)
        let valid = try words.ids(.valid)
        #expect(lines.starts(with: train))
        #expect(train.last == newline)
        let cut = lines.count * percent / 100
        #expect(train.count >= cut)
        #expect((train.dropLast().lastIndex(of: newline) ?? -1) + 1 < cut)  // and no line more than that takes
        let rest = try words.vocabulary.encode(Array(lines.dropFirst(train.count)))
        #expect(valid == rest)
    }

    @Test func severalFilesAreOneText() throws {
        let dataset = try divide([bytes("abcd"), bytes("efghij")], .byte, 50, 30, 20)
        #expect(try dataset.text(.train) == bytes("abcde"))
        #expect(dataset.manifest.splits.mapValues(\.tokens) == [.train: 5, .valid: 3, .test: 2])
        #expect(dataset.splits == [.train, .valid, .test])
        #expect(dataset.manifest.inputs[1].sha256 == (try Digest.sha256(ofFile: "\(folder.path)/input1")))
    }

    @Test func emptyPartsAreErrors() throws {
        #expect(throws: PrepareError.emptySplit(.valid)) { try divide([bytes("abcd")], .byte, 80, 10, 10) }
        #expect(throws: PrepareError.emptySplit(.valid)) { try divide([bytes("one line")], .word, 80, 10, 10) }
        #expect(throws: PrepareError.emptyInput(path: "\(folder.path)/input0")) { try divide([[]], .byte, 80, 10, 10) }
        #expect(throws: PrepareError.emptyInput(path: "\(folder.path)/input0")) {
            try divide([InputFile.byteOrderMark], .word, 80, 10, 10)
        }
        #expect(try divide([bytes("abcdef")], .byte, 50, 50, 0).splits == [.train, .valid])
    }

    @Test(arguments: [InputFile.Reading.once, .again(folder: "/tmp")])
    func inputsMustBeTexts(reading: InputFile.Reading) throws {
        for path in [folder.path, "/dev/zero"] {
            #expect(throws: NotText.self) { try InputFile(path, level: .byte, reading: reading) }
        }
        #expect(throws: FileError.self) { try InputFile("\(folder.path)/missing", level: .byte, reading: reading) }
    }

    @Test(arguments: [("train", "abd", true), ("train", "ab", true), ("valid", "a", true), ("train", "abcc", false)])
    func inputsThatChangeMeanwhileAreNoticed(name: String, content: String, isNoticed: Bool) throws {
        let train = try folder.write("abc", as: "train")
        let valid = try folder.write("abcd", as: "valid")
        let writer = try DatasetWriter(DatasetWriter.Options(level: .character)) { [folder] notice in
            if notice == .progress("encoding train") { _ = try? folder.write(content, as: name) }
        }
        func write() throws {
            _ = try writer.write(.separate(train: train, valid: valid, test: nil), to: "\(folder.path)/data")
        }
        if isNoticed {
            #expect(throws: PrepareError.inputChanged(path: "\(folder.path)/\(name)")) { try write() }
            #expect(try Folder.names(in: folder.path) == ["train", "valid"])
        } else {  // what is appended later is not read
            try write()
            #expect(try Dataset(folder: "\(folder.path)/data").text(.train) == bytes("abc"))
        }
    }

    @Test func percentagesMustAddUp() {
        for (train, valid, test) in [(80, 10, 11), (0, 50, 50), (110, -10, 0), (Int.max, Int.max, 102), (100, 0, -0)] {
            #expect((SplitPercentages(train: train, valid: valid, test: test) != nil) == (train == 100))
        }
    }

    @Test func limitTooSmallIsAnError() {
        var options = DatasetWriter.Options(level: .word)
        options.vocabularySize = 2
        #expect(throws: PrepareError.vocabularyTooSmall(size: 2, smallest: 3)) { try DatasetWriter(options) }
    }
}
