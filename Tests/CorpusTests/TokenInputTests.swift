import Files
import Testing

@testable import Corpus

@Suite struct TokenInputTests {
    private let folder = TemporaryFolder()

    /// `numpy.save` of a one-dimensional array.
    private func save<Element: FixedWidthInteger>(
        _ tokens: [Element], as name: String, shape: String? = nil
    ) throws -> String {
        let type = "<\(Element.isSigned ? "i" : "u")\(Element.bitWidth / 8)"
        let header = "{'descr': '\(type)', 'fortran_order': False, 'shape': \(shape ?? "(\(tokens.count),)"), }\n"
        let data = tokens.flatMap { token in withUnsafeBytes(of: token.littleEndian) { Array($0) } }
        return try folder.write(
            [0x93] + bytes("NUMPY") + [1, 0, UInt8(header.utf8.count), 0] + bytes(header) + data, as: name)
    }

    private func pieces(_ text: String = "<unk>\n▁the\ncat\n<eos>\n") throws -> Vocabulary {
        try Vocabulary(listIn: folder.write(text, as: "pieces.txt"))
    }

    private func prepare(
        _ source: TextSource, _ vocabulary: Vocabulary
    ) throws -> (dataset: Dataset, notices: [DatasetWriter.Notice]) {
        var options = DatasetWriter.Options(level: vocabulary.level)
        options.overwrite = true
        var notices: [DatasetWriter.Notice] = []
        _ = try DatasetWriter(options) { notices.append($0) }
            .write(tokens: source, vocabulary: vocabulary, to: "\(folder.path)/data")
        return (try Dataset(folder: "\(folder.path)/data"), notices)
    }

    @Test func everyElementTypeGivesTheSameDataset() throws {
        let ids = [1, 2, 1, 2, 2, 3, 0, 1, 2, 3]
        var hashes = Set<String>()
        for path in [
            try save(ids.map { UInt16($0) }, as: "u2.npy"), try save(ids.map { UInt32($0) }, as: "u4.npy"),
            try save(ids.map { Int32($0) }, as: "i4.npy"), try save(ids.map { Int64($0) }, as: "i8.npy"),
        ] {
            let (dataset, notices) = try prepare(
                .divided(files: [path], percentages: SplitPercentages(train: 60, valid: 20, test: 20)!), pieces())
            #expect(try dataset.ids(.train) == [1, 2, 1, 2, 2, 3])
            #expect(try dataset.ids(.valid) == [0, 1])
            #expect(try dataset.ids(.test) == [2, 3])
            #expect(dataset.manifest.splits.mapValues(\.unknown) == [.train: 0, .valid: 1, .test: 0])
            #expect(dataset.manifest.inputs[0].sha256 == (try Digest.sha256(ofFile: path)))
            #expect(dataset.vocabulary.level == .piece)
            #expect(dataset.vocabulary.occurrences == [0, 2, 3, 1])
            #expect(!notices.contains { if case .warning = $0 { true } else { false } })
            hashes.insert(dataset.hash)
        }
        #expect(hashes.count == 1)
    }

    /// More than a block at a time, over the borders between files.
    @Test func severalFilesAreCutAsOne() throws {
        let ids = (0..<200_000).map { UInt16($0 % 4) }
        let files = try [0..<3, 3..<150_001, 150_001..<200_000].map { try save(Array(ids[$0]), as: "\($0.count).npy") }
        let (dataset, _) = try prepare(
            .divided(files: files, percentages: SplitPercentages(train: 70, valid: 20, test: 10)!), pieces())
        #expect(try Split.allCases.flatMap { try dataset.ids($0) } == ids.map(Int32.init))
        #expect(Split.allCases.map { dataset.manifest.splits[$0]?.tokens } == [140_000, 40_000, 20_000])
        #expect(dataset.manifest.inputs.map(\.sha256) == (try files.map { try Digest.sha256(ofFile: $0) }))
    }

    /// A vocabulary of our own keeps its level and its hash; the counts are those of the new text.
    @Test func ownVocabularyIsKept() throws {
        let original = try dataset(.character, train: bytes("aab\n"), valid: bytes("b"), in: folder).dataset.vocabulary
        let train = try save([2, 2, 0] as [Int64], as: "train.npy")
        let (dataset, _) = try prepare(.separate(train: train, valid: train, test: nil), original)
        #expect(dataset.vocabulary.hash == original.hash)
        #expect(dataset.vocabulary.occurrences == [1, 0, 2])
        #expect(try dataset.text(.valid) == bytes("bba"))
    }

    @Test(arguments: [4, -1, Int64.max, Int64.min])
    func idsOutsideTheVocabularyAreNamed(id: Int64) throws {
        var ids = [Int64](repeating: 3, count: 70_000)
        ids[69_000] = id
        let path = try save(ids, as: "i8.npy")
        let header = try File.contents(of: path).count - 8 * ids.count
        #expect(
            throws: TokenInputError(
                cause: .tokenOutOfRange(
                    file: path, index: 69_000, offset: header + 8 * 69_000, token: Int(id), vocabularySize: 4))
        ) { _ = try prepare(.separate(train: path, valid: path, test: nil), pieces()) }
        #expect(!Folder.exists("\(folder.path)/data"))
    }

    @Test func otherFilesAreRefused() throws {
        let good = try save([1, 2] as [UInt16], as: "good.npy")
        func write(_ train: String) throws { _ = try prepare(.separate(train: train, valid: good, test: nil), pieces()) }
        #expect { try write(try folder.write("text", as: "text")) } throws: {
            "\($0)".contains("not a NumPy array file") && "\($0)".contains("numpy.save")
        }
        #expect { try write(try save([1] as [UInt8], as: "u1.npy")) } throws: {
            "\($0)".contains("expected <u2 or <u4 or <i4 or <i8, found <u1")
        }
        #expect { try write(try save([1, 2] as [UInt16], as: "2d.npy", shape: "(2, 1)")) } throws: {
            "\($0)".contains("not a one-dimensional array")
        }
        let empty = try save([] as [UInt16], as: "empty.npy")
        #expect(throws: PrepareError.emptyInput(path: empty)) { try write(empty) }
        #expect(throws: PrepareError.notAFile(path: folder.path)) { try write(folder.path) }
        #expect(throws: FileError.self) { try write("\(folder.path)/missing") }
        #expect(throws: PrepareError.emptySplit(.valid)) {
            _ = try prepare(
                .divided(files: [good], percentages: SplitPercentages(train: 90, valid: 5, test: 5)!), pieces())
        }
    }

    @Test func halfUnknownIsWorthAWarning() throws {
        let path = try save([0, 0, 1] as [UInt16], as: "u2.npy")
        let (_, notices) = try prepare(.separate(train: path, valid: path, test: nil), pieces())
        #expect(notices.contains(.warning("train: 66.667 % of the tokens are <unk>")))
    }

    @Test(arguments: [("<unk>\na\nb\n</s>\n", true), ("<unk>\na\nb\n<eos>\n", false)])
    func linesWithoutEndAreNoted(list: String, isNoted: Bool) throws {
        let path = try save([1, 2, 3] as [UInt16], as: "u2.npy")
        let (_, notices) = try prepare(.separate(train: path, valid: path, test: nil), pieces(list))
        #expect(notices.contains { if case .note(let text) = $0 { text.contains("<eos>") } else { false } } == isNoted)
    }

    // MARK: Vocabularies of pieces

    @Test func listsAreByLine() throws {
        for text in ["a\nb\u{A0}c\n<eos>\n", "\u{FEFF}a\r\nb\u{A0}c\r\n<eos>"] {
            let vocabulary = try pieces(text)
            #expect(vocabulary.strings == ["a", "b\u{A0}c", "<eos>"])
            #expect(vocabulary.endOfSentence == 2)
            #expect(vocabulary.unknown == nil)
        }
    }

    @Test func damagedListsAreRefused() throws {
        let path = "\(folder.path)/pieces.txt"
        let cases: [([UInt8], TokenListError)] = [
            ([], .empty(file: path)), (bytes("\n"), .empty(file: path)),
            (bytes("a\n\nb"), .invalidToken(file: path, line: 2)), (bytes("a\n\r\nb"), .invalidToken(file: path, line: 2)),
            (bytes("a\nb c\n"), .invalidToken(file: path, line: 2)),
            (bytes("a\nb\na\n"), .duplicateToken(file: path, line: 3, first: 1)),
            (bytes("a\nb") + [0xFF], .invalidUTF8(file: path, line: 2)),
        ]
        for (text, error) in cases {
            #expect(throws: error) { try Vocabulary(listIn: folder.write(text, as: "pieces.txt")) }
        }
    }

    @Test func piecesStandBetweenSpaces() throws {
        let vocabulary = try pieces()
        #expect(try vocabulary.encode(bytes("▁the cat\ndog\n")) == [1, 2, 3, 0, 3])
        #expect(vocabulary.decode([1, 2, 3, 0, 3]) == bytes("▁the cat\n<unk>\n"))
        let bare = try pieces("▁the\ncat\n")
        #expect(try bare.encode(bytes("▁the\n\ncat")) == [0, 1])
        #expect(throws: TextError.notInVocabulary(symbol: "\"dog\"", file: nil, offset: 4)) {
            try bare.encode(bytes("cat dog"))
        }
    }
}
