/// How a text with targets of its own is laid out: `prepare --format`.
package enum SequenceFormat: String, Sendable, CaseIterable {
    /// CoNLL: a word a line, its tag in the last column; blank lines between sentences.
    case columns
    /// A label, a tab and a text on each line.
    case labelled
    /// A condition, a tab and its continuation on each line.
    case pairs

    package var task: SequenceTask {
        switch self {
        case .columns: .tags
        case .labelled: .label
        case .pairs: .continuation
        }
    }
}

/// What the targets of a dataset are.
package enum SequenceTask: String, Sendable, Codable, CaseIterable {
    /// A label for each token.
    case tags
    /// A label for each sequence, at its last token.
    case label = "class"
    /// The next token, after a condition.
    case continuation
    /// Numbers, at each step that has some.
    case values

    /// Whether targets are labels.
    package var hasLabels: Bool { self == .tags || self == .label }
}

/// The symbols of a dataset's sequences, with their targets, on the way to their files.
final class SequenceSpool {
    private let symbols: IntegerSpool<Int32>
    /// The number of a label, or a symbol; -1 for none.
    private let targets: IntegerSpool<Int32>
    private let starts: IntegerSpool<Int64>
    private(set) var counts = SymbolCounts()
    private(set) var longest = 0

    /// - Throws: `FileError`.
    init(folder: String, _ split: Split) throws {
        symbols = try IntegerSpool(folder: folder, named: DatasetManifest.fileName(of: split))
        targets = try IntegerSpool(folder: folder, named: DatasetManifest.targetsFileName(of: split))
        starts = try IntegerSpool(folder: folder, named: DatasetManifest.sequencesFileName(of: split))
    }

    var sequences: Int { starts.count }

    /// - Parameters:
    ///   - sequence: at least one symbol.
    ///   - targets: as many.
    /// - Throws: `FileError`.
    func append(_ sequence: [Int32], targets: [Int32]) throws {
        precondition(!sequence.isEmpty && sequence.count == targets.count)
        try starts.append(Int64(symbols.count))
        for symbol in sequence { try symbols.append(symbol) }
        for target in targets { try self.targets.append(target) }
        sequence.withUnsafeBufferPointer { counts.add($0) }
        longest = max(longest, sequence.count)
    }

    /// Writes the three files of a split.
    /// - Parameters:
    ///   - ids: of the symbols.
    ///   - labels: ids by number of a label; nil where targets are symbols.
    /// - Returns: what `dataset.json` says of them; nil if a symbol has no id.
    /// - Throws: `FileError`.
    func write(
        _ split: Split, to folder: String, vocabulary: Vocabulary, _ ids: SymbolIds, labels: [Int32]?
    ) throws -> DatasetManifest.SplitRecord? {
        let tokens = try ArrayFileWriter(
            "\(folder)/\(DatasetManifest.fileName(of: split))", vocabularySize: vocabulary.count, count: symbols.count)
        var (unknown, isMissing) = (0, false)
        try symbols.forEachBlock { block in
            isMissing = isMissing || ids.translate(block) != nil
            if let id = vocabulary.unknown { unknown += block.count { Int($0) == id } }
            try tokens.write(UnsafeBufferPointer(block))
        }
        let own = try ArrayFileWriter("\(folder)/\(DatasetManifest.targetsFileName(of: split))", .signed32, count: targets.count)
        var predictions = 0
        try targets.forEachBlock { block in
            for index in block.indices where block[index] >= 0 {
                predictions += 1
                if let labels {
                    block[index] = labels[Int(block[index])]
                } else {
                    isMissing = isMissing || ids.translate(UnsafeMutableBufferPointer(rebasing: block[index...index])) != nil
                }
            }
            try own.write(UnsafeBufferPointer(block))
        }
        let places = try ArrayFileWriter("\(folder)/\(DatasetManifest.sequencesFileName(of: split))", .signed64, count: starts.count)
        try starts.forEachBlock { try places.write(UnsafeBufferPointer($0)) }
        let (tokenFile, targetFile, placeFile) = (try tokens.finish(), try own.finish(), try places.finish())
        if isMissing { return nil }
        var record = DatasetManifest.SplitRecord(
            tokens: symbols.count, unknown: unknown, bytes: tokenFile.bytes, sha256: tokenFile.sha256)
        record.sequences = DatasetManifest.SequencesRecord(
            count: sequences, longest: longest, predictions: predictions,
            targets: .init(bytes: targetFile.bytes, sha256: targetFile.sha256),
            starts: .init(bytes: placeFile.bytes, sha256: placeFile.sha256))
        return record
    }
}
