import Files

@testable import Corpus

/// Texts with targets of their own, and the files that are made of them.
extension Parser {
    private static let conll = "-DOCSTART- O\n\nplay V O\njazz N B-genre\n\nadd V O\nthis D I-x\r\n"
    private static let labelled = "pos\tgood film\n\nneg\tbad film\n"
    private static let pairs = "two three\tfive\n\tone\n"

    /// A text, as `prepare` reads it and training then its dataset; the number of its bytes says the format.
    static func examples(in folder: String) throws -> Parser {
        let path = "\(folder)/examples"
        let originals = [conll, labelled, pairs].enumerated().map { index, text in
            Array(text.utf8) + [UInt8](repeating: 10, count: (index + 3 - text.utf8.count % 3) % 3)
        }
        let words = ["\n", "\r\n", "\n\n", "\t", " ", "-DOCSTART-", "O", "B-", "<unk>", "<eos>", "\u{FEFF}", "\u{0}", "\u{85}", "é"]
        return Parser("examples", originals, words: words, at: path) {
            let format = SequenceFormat.allCases[try File.contents(of: path).count % 3]
            var options = DatasetWriter.Options(level: .word)
            options.overwrite = true
            options.bufferSize = 16
            _ = try DatasetWriter(options).write(.separate(train: path, valid: path, test: nil), format: format, to: "\(folder)/data")
            try use(Dataset(folder: "\(folder)/data"))
        }
    }

    /// One of the files that give a dataset its targets, beside valid others.
    static func targets(_ name: String, in folder: String) throws -> Parser {
        let text = "\(folder)/text"
        let file = try File.open(text, .write)
        try file.write(labelled)
        try file.close()
        let data = "\(folder)/data"
        var options = DatasetWriter.Options(level: .word)
        options.overwrite = true
        _ = try DatasetWriter(options).write(.separate(train: text, valid: text, test: nil), format: .labelled, to: data)
        let path = "\(data)/\(name)"
        let words = ["'descr'", "'<i4'", "'<i8'", "(4,)", "(2,)", "\"labels\"", "\"counts\"", "\u{0}", "\u{1}"]
        return Parser(name, [try File.contents(of: path)], words: json + words, at: path) { try use(Dataset(folder: data)) }
    }

    private static func use(_ dataset: Dataset) throws {
        for split in dataset.splits {
            guard let sequences = try dataset.sequences(of: split) else { continue }
            let outputs = dataset.labels?.count ?? dataset.vocabulary.count
            var (inputs, targets) = ([Int32](repeating: 0, count: sequences.longest), [Int32](repeating: 0, count: sequences.longest))
            for index in 0..<sequences.count {
                sequences.copy(index, inputs: &inputs, targets: &targets, stride: 1)
                let length = sequences.length(of: index)
                precondition(inputs[..<length].allSatisfy { 0..<dataset.vocabulary.count ~= Int($0) })
                precondition(targets[..<length].allSatisfy { -1..<outputs ~= Int($0) })
            }
        }
    }
}
