import Diagnostics
import Files
import Testing

@testable import Corpus

/// Datasets with targets of their own: `prepare --format`.
@Suite struct SequenceDatasetTests {
    private let folder = TemporaryFolder()

    private func prepare(
        _ format: SequenceFormat, train: String, valid: String? = nil, level: TokenLevel = .word, bufferSize: Int = 1 << 20,
        vocabulary: Vocabulary? = nil, labels: Labels? = nil, percentages: SplitPercentages? = nil
    ) throws -> (dataset: Dataset, notices: [DatasetWriter.Notice]) {
        var options = DatasetWriter.Options(level: level)
        options.bufferSize = bufferSize
        options.overwrite = true
        var notices: [DatasetWriter.Notice] = []
        let file = try folder.write(train, as: "train")
        let source: TextSource =
            if let percentages {
                .divided(files: [file], percentages: percentages)
            } else {
                .separate(train: file, valid: try folder.write(valid ?? train, as: "valid"), test: nil)
            }
        _ = try DatasetWriter(options) { notices.append($0) }
            .write(source, format: format, vocabulary: vocabulary, labels: labels, to: "\(folder.path)/data")
        return (try Dataset(folder: "\(folder.path)/data"), notices)
    }

    /// Each sequence as inputs and targets by name, `_` for none.
    private func examples(_ dataset: Dataset, _ split: Split = .train, framed: Bool = false) throws -> [String] {
        let lineEnd = dataset.vocabulary.endOfSentence.map { Int32($0) }
        let store = try #require(try dataset.sequences(of: split, framedBy: framed ? lineEnd : nil))
        return (0..<store.count).map { index in
            var inputs = [Int32](repeating: 9, count: store.length(of: index))
            var targets = inputs
            store.copy(index, inputs: &inputs, targets: &targets, stride: 1)
            func token(_ id: Int32) -> String { String(decoding: dataset.vocabulary.bytes(of: Int(id)), as: UTF8.self).replacing("\n", with: "$") }
            func target(_ id: Int32) -> String { id < 0 ? "_" : framed ? token(id) : dataset.labels?.names[Int(id)] ?? token(id) }
            return inputs.map(token).joined(separator: " ") + " > " + targets.map(target).joined(separator: " ")
        }
    }

    private static let conll = "-DOCSTART- -X- O\n\nplay V O\njazz N B-genre\n \t\n\nadd V O\nthis D O\njazz N B-genre\r\n\r\nnow R O"

    @Test(arguments: [1, 2, 3, 7, 1 << 20]) func columnsAreSentences(bufferSize: Int) throws {
        let (dataset, notices) = try prepare(
            .columns, train: Self.conll, valid: "jazz X B-genre\nquietly X I-genre\n", bufferSize: bufferSize)
        #expect(try examples(dataset) == ["play jazz > O B-genre", "add this jazz > O O B-genre", "now > O"])
        #expect(try examples(dataset, .valid) == ["jazz <unk> > B-genre I-genre"])
        #expect(dataset.labels == Labels(["O", "B-genre", "I-genre"], counts: [4, 2, 0]))
        #expect(notices.contains { if case .note(let text) = $0 { text.contains("I-genre") } else { false } })
        #expect(dataset.manifest.task == .tags)
        let record = try #require(dataset.manifest.splits[.train]?.sequences)
        #expect(record.count == 3 && record.longest == 3 && record.predictions == 6)
        try dataset.verifyChecksums()
        // As a language model reads them.
        #expect(try examples(dataset, framed: true)[2] == "<eos> now > now <eos>")
    }

    @Test func labelledTextsAndPairs() throws {
        let labelled = "pos\tgood film\n\nvery neg\tbad\t film\npos\tgood\n"
        #expect(try examples(prepare(.labelled, train: labelled).dataset) == ["good film > _ pos", "bad film > _ very neg", "good > pos"])
        #expect(try examples(prepare(.labelled, train: "a\tno\nb\té", level: .character).dataset) == ["n o > _ a", "é > b"])
        let pairs = "two three\tfive\n\tone\n"
        #expect(try examples(prepare(.pairs, train: pairs).dataset) == ["two three <eos> five > _ _ five <eos>", "<eos> one > one <eos>"])
        #expect(try examples(prepare(.pairs, train: "2+3\t5\n", level: .character).dataset) == ["2 + 3 $ 5 > _ _ _ 5 $"])
    }

    /// The cut moves to the next blank line, so no sentence is cut.
    @Test(arguments: [10, 25, 50, 60, 90]) func noSentenceIsCut(percent: Int) throws {
        let text = (0..<40).map { "w\($0) O\nx B-a\ny I-a\n\($0 % 3 == 0 ? " \n" : "\n")" }.joined()
        let (dataset, _) = try prepare(.columns, train: text, percentages: SplitPercentages(train: percent, valid: 100 - percent, test: 0))
        let all = try examples(dataset) + examples(dataset, .valid)
        #expect(all.count == 40 && all.allSatisfy { $0.hasSuffix("> O B-a I-a") })
    }

    @Test func vocabularyAndLabelsThatAreThereAreKept() throws {
        let first = try prepare(.columns, train: Self.conll).dataset
        let vocabulary = first.vocabulary
        let again = try prepare(.columns, train: "jazz B-genre\nblues O\n", vocabulary: vocabulary, labels: first.labels).dataset
        #expect(again.vocabulary.hash == vocabulary.hash && again.labels?.names == first.labels?.names)
        #expect(try examples(again) == ["jazz <unk> > B-genre O"])
        #expect {
            try prepare(.columns, train: "jazz O\n\njazz B-artist\n", vocabulary: vocabulary, labels: first.labels)
        } throws: { ($0 as? UnreadableExample)?.line == 3 }
    }

    @Test(arguments: [
        (SequenceFormat.columns, "a O\nb\n", 2), (.columns, "a x O\nb O\n", 2), (.labelled, "a\tb\nno tab\n", 2), (.labelled, "\ttext\n", 1),
        (.labelled, "a\t \n", 1), (.pairs, "a\tb\nc\t\n", 2), (.pairs, "a b\n", 1),
    ]) func errorsNameTheLine(format: SequenceFormat, text: String, line: Int) throws {
        #expect { try prepare(format, train: text) } throws: { ($0 as? UnreadableExample)?.line == line }
        #expect(!Folder.exists("\(folder.path)/data"))
    }

    @Test func whatIsNoTextIsRefused() throws {
        let bytes: [UInt8] = [0x61, 0xFF, 0x20, 0x4F, 0x0A]
        let file = try folder.write(bytes, as: "bad")
        let writer = try DatasetWriter(DatasetWriter.Options(level: .word))
        #expect(throws: TextError.self) { try writer.write(.separate(train: file, valid: file, test: nil), format: .columns, to: "\(folder.path)/x") }
        #expect(throws: PrepareError.emptySplit(.train)) { try prepare(.columns, train: " \n\n") }
    }

    /// Each of the files is checked against the others.
    @Test func damagedFilesAreRefused() throws {
        let dataset = try prepare(.labelled, train: "a\tone two\nb\tthree\n").dataset
        func damage(_ name: String, at offset: Int, to byte: UInt8) throws {
            let path = "\(dataset.folder)/\(name)"
            var bytes = try File.contents(of: path)
            let former = bytes[offset]
            bytes[offset] = byte
            _ = try folder.write(bytes, as: "data/\(name)")
            #expect(throws: (any Error).self, "\(name) \(offset)") {
                let damaged = try Dataset(folder: dataset.folder)
                _ = try damaged.sequences(of: .train)
            }
            bytes[offset] = former
            _ = try folder.write(bytes, as: "data/\(name)")
        }
        try damage("train.targets.npy", at: 128, to: 0)  // a label within a sequence
        try damage("train.targets.npy", at: 132, to: 2)  // no label
        try damage("train.sequences.npy", at: 128, to: 1)
        try damage("train.sequences.npy", at: 136, to: 1)  // elsewhere than the label says
        try damage("train.sequences.npy", at: 136, to: 200)
        _ = try Dataset(folder: dataset.folder).sequences(of: .train)
    }
}
