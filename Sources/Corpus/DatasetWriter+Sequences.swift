extension DatasetWriter {
    /// Writes a dataset folder of sequences with targets of their own. Each text is read once; memory depends only on the sizes of
    /// the vocabulary and of the longest sequence.
    /// - Parameters:
    ///   - vocabulary: one that is there already, of words, characters or bytes; nil for that of the training part.
    ///   - labels: the only ones there may be; nil for those of all parts.
    /// - Throws: `FileError`, `NotText`, `CompressedText`, `GzipError`, `TextError`, `UnreadableExample`, `PrepareError`.
    package func write(
        _ source: TextSource, format: SequenceFormat, vocabulary given: Vocabulary? = nil, labels fixed: Labels? = nil, to folder: String
    ) throws -> DatasetManifest {
        try staged(folder) { staging in
            let (inputs, regions) = try source.open(
                level: .word, isReadOnce: true, keepsParagraphs: format == .columns, folder: staging.path)
            try look(at: inputs, regions)
            var parser = SequenceParser(
                format, given.map { SymbolReader(knowing: $0) } ?? SymbolReader(level: options.level), labels: fixed)
            var spools: [(split: Split, spool: SequenceSpool)] = []
            for (split, regions) in regions {
                notify(.progress("reading \(split.rawValue)"))
                let spool = try SequenceSpool(folder: staging.path, split)
                let known = parser.labels.count
                for region in regions {
                    try parser.read(
                        region, learning: given == nil && split == .train, counting: split == .train, bufferSize: options.bufferSize, into: spool)
                }
                guard spool.sequences > 0 else { throw PrepareError.emptySplit(split) }
                if split != .train, parser.labels.count > known {
                    let added = (known..<parser.labels.count).prefix(5).map { String(decoding: parser.labels[$0], as: UTF8.self).printable }
                    notify(.note("\(split.rawValue) has \(parser.labels.count - known) labels that train lacks, so that a model cannot learn them: \(added.joined(separator: ", "))\(parser.labels.count - known > 5 ? ", ..." : "")"))
                }
                spools.append((split, spool))
            }
            let vocabulary = given ?? learned(parser.reader, spools)
            let (labels, labelIds) = parser.sortedLabels
            let ids = vocabulary.ids(of: parser.reader)
            var splits: [Split: DatasetManifest.SplitRecord] = [:]
            for (split, spool) in spools {
                notify(.progress("encoding \(split.rawValue)"))
                let record = try spool.write(
                    split, to: staging.path, vocabulary: vocabulary, ids, labels: format.task.hasLabels ? labelIds : nil)
                guard let record else { throw PrepareError.symbolsMissing(split) }
                splits[split] = record
                warn(of: record, split, vocabulary.level)
            }
            noteUnknown(splits, vocabulary.level)
            return try publish(
                vocabulary, splits, inputs.map { $0.record() }, task: format.task, labels: format.task.hasLabels ? labels : nil,
                in: staging.path)
        }
    }

    private func learned(_ reader: SymbolReader, _ spools: [(split: Split, spool: SequenceSpool)]) -> Vocabulary {
        let training = spools.first { $0.split == .train }!.spool.counts
        return Vocabulary(
            reader, counts: training, limit: options.vocabularySize,
            needsUnknown: spools.contains { $0.spool.counts.hasSymbols(missingIn: training) })
    }
}
