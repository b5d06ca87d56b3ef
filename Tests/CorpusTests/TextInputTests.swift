import Diagnostics
@testable import Files
import Glibc
import TestSupport
import Testing

@testable import Corpus

/// Texts that come through pipes and in gzip.
@Suite struct TextInputTests {
    private let folder = TemporaryFolder()
    /// Longer than any buffer on the way.
    private let text = bytes((0..<40_000).map { "line \($0 * 7919 % 1000) é\n" }.joined())

    private func read(_ path: String, by count: Int = 1 << 16) throws -> [UInt8] {
        let source = try ByteSource(path)
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: count)
        while true {
            let count = try buffer.withUnsafeMutableBytes { try source.read(into: $0) }
            if count == 0 { return all }
            all += buffer[..<count]
        }
    }

    // MARK: gzip

    @Test(arguments: [1, 7, 4096, 1 << 20])
    func gzipIsReadWhateverItsNameAndTheBuffer(count: Int) throws {
        let text = count == 1 ? Array(text.prefix(5000)) : text
        #expect(try read(folder.write(gzipped(text), as: "a.txt"), by: count) == text)
        #expect(try read(folder.write(text, as: "b.gz"), by: count) == text)
    }

    @Test func membersInARowAreOneText() throws {
        let members = gzipped(bytes("one ")) + gzipped([]) + gzipped(text)
        for padding in [0, 1, 511, 200_000] {
            let path = try folder.write(members + [UInt8](repeating: 0, count: padding), as: "m")
            #expect(try read(path) == bytes("one ") + text)
        }
    }

    /// Wherever the file ends too early, that is what is said, and where.
    @Test func truncatedGzipIsNamed() throws {
        let whole = gzipped(bytes("a text of some length, a text"))
        for count in 3..<whole.count {
            let path = try folder.write(Array(whole[..<count]), as: "t")
            #expect(throws: GzipError.truncated(file: path, offset: count)) { _ = try read(path) }
        }
        let second = try folder.write(whole + whole.prefix(12), as: "s")
        #expect(throws: GzipError.truncated(file: second, offset: whole.count + 12)) { _ = try read(second) }
    }

    @Test func damagedGzipIsNamed() throws {
        let whole = gzipped(text)
        for place in [whole.count / 2, whole.count - 8, whole.count - 1] {
            var damaged = whole
            damaged[place] ^= 0x10
            let path = try folder.write(damaged, as: "d")
            #expect { _ = try read(path) } throws: {
                guard case GzipError.corrupt(path, let offset, _) = $0 else { return false }
                return offset > place - 100_000 && offset <= whole.count
            }
        }
        let followed = try folder.write(whole + bytes("and more"), as: "f")
        #expect(throws: GzipError.trailingBytes(file: followed, offset: whole.count)) { _ = try read(followed) }
    }

    @Test func otherCompressionIsNamed() throws {
        for format in CompressedFormat.allCases {
            let start = format == .bzip2 ? bytes("BZh9") + [0x31, 0x41, 0x59, 0x26, 0x53, 0x59] : format.magic
            let path = try folder.write(start + [0xFF, 0, 1], as: "c")
            #expect(throws: CompressedText(path: path, format: format)) { try ByteSource(path).requireText() }
            #expect(try read(path) == start + [0xFF, 0, 1])
        }
        try ByteSource(folder.write("BZhou is a place", as: "b")).requireText()
        #expect(try read(folder.write([0x1F], as: "one")) == [0x1F])
    }

    // MARK: datasets

    /// What another thread writes to a named pipe.
    private func pipe(_ bytes: [UInt8], _ name: String) -> String {
        let path = "\(folder.path)/\(name)"
        mkfifo(path, 0o600)
        let writer = Writer(path: path, bytes: bytes)
        var thread = pthread_t()
        pthread_create(&thread, nil, { argument in
            let writer = Unmanaged<Writer>.fromOpaque(argument!).takeRetainedValue()
            let descriptor = open(writer.path, O_WRONLY)
            var done = 0
            while done < writer.bytes.count {
                let count = writer.bytes.withUnsafeBytes { write(descriptor, $0.baseAddress! + done, min(1000, $0.count - done)) }
                if count <= 0 { break }
                done += count
            }
            close(descriptor)
            return nil
        }, Unmanaged.passRetained(writer).toOpaque())
        pthread_detach(thread)
        return path
    }

    private final class Writer {
        let path: String
        let bytes: [UInt8]
        init(path: String, bytes: [UInt8]) { (self.path, self.bytes) = (path, bytes) }
    }

    private func prepare(_ source: TextSource, _ level: TokenLevel, vocabulary: Vocabulary? = nil) throws -> Dataset {
        var options = DatasetWriter.Options(level: level)
        options.overwrite = true
        options.bufferSize = 1000
        let writer = try DatasetWriter(options)
        let output = "\(folder.path)/data"
        if let vocabulary {
            _ = try writer.write(source, vocabulary: vocabulary, unknown: .error, to: output)
        } else {
            _ = try writer.write(source, to: output)
        }
        return try Dataset(folder: output)
    }

    /// Whichever way a text comes, the dataset is the same.
    @Test(arguments: [TokenLevel.word, .character, .byte])
    func pipesAndGzipGiveTheSameDataset(level: TokenLevel) throws {
        let mark = InputFile.byteOrderMark
        func source(_ train: String, _ valid: String) -> TextSource { .separate(train: train, valid: valid, test: nil) }
        let valid = try folder.write("line 3\nline x é", as: "valid")
        let plain = try prepare(source(folder.write(mark + text, as: "train"), valid), level)
        for train in [pipe(mark + text, "p1"), try folder.write(gzipped(mark + text), as: "g"), pipe(gzipped(mark + text), "p2")] {
            let other = try prepare(source(train, valid), level)
            #expect(other.hash == plain.hash)
            #expect(other.manifest.inputs[0].bytes == text.count + 3)
            #expect(other.manifest.inputs[0].sha256 == plain.manifest.inputs[0].sha256)
        }
        let cut = try prepare(.divided(files: [folder.write(text, as: "a"), valid], percentages: .standard), level)
        let again = try prepare(.divided(files: [pipe(text, "p3"), valid], percentages: .standard), level)
        #expect(again.hash == cut.hash)
        let whole = SplitPercentages(train: 100, valid: 0, test: 0)!
        #expect(
            try prepare(.divided(files: [pipe(text, "p4"), valid], percentages: whole), level).hash
                == prepare(.divided(files: [folder.path + "/a", valid], percentages: whole), level).hash)
        #expect(try Folder.names(in: folder.path).allSatisfy { !$0.contains("tmp") && !$0.hasPrefix(".") })
    }

    @Test func aDamagedPipeLeavesNothing() throws {
        let damaged = Array(gzipped(text).dropLast(2))
        for level in [TokenLevel.word, .byte] {
            #expect(throws: GzipError.self) {
                _ = try prepare(.divided(files: [folder.write(damaged, as: "g")], percentages: .standard), level)
            }
        }
        #expect(try Folder.names(in: folder.path) == ["g"])
    }

    // MARK: words in one line, white space

    @Test func aTextOfOneLineIsCutBetweenWords() throws {
        let words = (0..<1000).map { "w\($0 % 50)" }
        let dataset = try prepare(
            .divided(files: [folder.write(words.joined(separator: " "), as: "one")], percentages: .standard), .word)
        let parts = try Split.allCases.map { String(decoding: try dataset.text($0), as: UTF8.self) }
        #expect(parts.flatMap { $0.split(whereSeparator: \.isWhitespace).map(String.init) } == words)
        #expect(parts.allSatisfy { $0.filter { $0 == "\n" }.count == 1 })
        #expect(500...900 ~= dataset.manifest.splits[.train]!.tokens)
    }

    /// Python's str.split() separates at the same characters, but for U+001C to U+001F.
    @Test(arguments: [1, 2, 3, 7, 1000])
    func allOfUnicodesWhiteSpaceSeparates(bufferSize: Int) throws {
        let spaces = (0...0x10FFFF as ClosedRange<UInt32>).compactMap(Unicode.Scalar.init).filter(\.properties.isWhitespace)
        #expect(spaces.count == 25)
        let others = ["\u{200B}", "\u{2060}", "\u{3001}", "\u{1681}", "\u{180E}", "\u{E2}", "\u{205E}"]
        let text = spaces.map { "one\($0)two " }.joined() + others.map { "one\($0)two " }.joined()
        let dataset = try dataset(
            .word, train: bytes(text), valid: bytes("one\u{3000}\u{A0}\u{2028}two\u{85}"), bufferSize: bufferSize, in: folder
        ).dataset
        #expect(dataset.vocabulary.strings.sorted() == (others.map { "one\($0)two" } + ["one", "two", "<unk>", "<eos>"]).sorted())
        #expect(try dataset.text(.valid) == bytes("one two\n"))
    }

    // MARK: an old vocabulary

    @Test func anOldVocabularyIsKept() throws {
        let old = try vocabulary("the cat sat\non the mat\n", .word)
        let dataset = try prepare(
            .separate(train: folder.write("the cow sat on\r\nthe mat", as: "t"), valid: pipe(bytes("a cat\n"), "v"), test: nil),
            .word, vocabulary: old)
        #expect(dataset.vocabulary.hash == old.hash)
        #expect(dataset.vocabulary.occurrences == old.occurrences)
        #expect(try dataset.text(.train) == bytes("the <unk> sat on\nthe mat\n"))
        #expect(try dataset.text(.valid) == bytes("<unk> cat\n"))
        #expect(dataset.manifest.splits.mapValues(\.unknown) == [.train: 1, .valid: 1])
    }

    @Test func charactersThatAnOldVocabularyLacks() throws {
        let file = try folder.write("abcé a", as: "t")
        let source = TextSource.divided(files: [file], percentages: SplitPercentages(train: 100, valid: 0, test: 0)!)
        #expect(throws: TextError.notInVocabulary(symbol: "\"é\" (U+00E9)", file: file, offset: 3)) {
            _ = try prepare(source, .character, vocabulary: vocabulary("a bc", .character))
        }
        let withUnknown = try vocabulary("a bc", .character, needsUnknown: true)
        let ids = try prepare(source, .character, vocabulary: withUnknown).ids(.train)
        #expect(ids[3] == Int32(withUnknown.unknown!) && ids.count == 6)
        _ = try DatasetWriter(.init(level: .character)).write(
            source, vocabulary: vocabulary("a bc", .character), unknown: .mark, to: "\(folder.path)/skipped")
        #expect(try Dataset(folder: "\(folder.path)/skipped").text(.train) == bytes("abc a"))
    }

    // MARK: texts to evaluate

    @Test func aTextIsEncodedAsItIsRead() throws {
        let words = try vocabulary(text, .word)
        let encoded = try words.encode(contentsOf: pipe(gzipped(text + bytes("strange")), "e"), limit: 1 << 30)
        #expect(encoded.unknown == 1)
        #expect(encoded.tokens.tokens(in: 0..<encoded.tokens.count) == (try words.encode(text + bytes("strange"))))
        #expect(encoded.sha256 == (text + bytes("strange")).withUnsafeBytes { Digest.sha256($0) })
        let file = try folder.write(text, as: "long")
        #expect(throws: TextError.tooLong(file: file, limit: 100_000)) { _ = try words.encode(contentsOf: file, limit: 100_000) }
    }

    @Test func linesHaveABound() throws {
        let path = try folder.write("short\n" + String(repeating: "x", count: 300_000), as: "l")
        let lines = try LineReader(path, longest: 100_000)
        #expect(try lines.next() == bytes("short"))
        #expect(throws: LineTooLong.self) { _ = try lines.next() }
    }
}
