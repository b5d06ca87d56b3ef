import Files

extension DatasetWriter {
    /// Writes a dataset folder of a generated problem.
    /// - Throws: `FileError`, `PrepareError`.
    package func write(_ sample: AddingSample, to folder: String) throws -> DatasetManifest {
        try write(.init(inputs: 2, targets: 1), Split.allCases, [], to: folder) { split, writer in try sample.write(split, to: writer) }
    }

    /// Writes a dataset folder of numbers, whole or not at all.
    /// - Throws: `FileError`, `ValueFileError`, `ArrayFileError`, `PrepareError`.
    package func write(_ source: ValueSource, to folder: String) throws -> DatasetManifest {
        try write(source.shape, source.splits, source.files, to: folder) { split, writer in
            notify(.progress("reading \(split.rawValue)"))
            try source.write(split, to: writer)
        }
    }

    private func write(
        _ shape: DatasetManifest.ValuesRecord, _ splits: [Split], _ inputs: [String], to folder: String,
        _ fill: (Split, ValueWriter) throws -> Void
    ) throws -> DatasetManifest {
        try staged(folder) { staging in
            var records: [Split: DatasetManifest.SplitRecord] = [:]
            var (labels, labelsSequences) = (0, true)
            for split in splits {
                let writer = try ValueWriter(split, in: staging.path, columns: shape.inputs, targets: shape.targets)
                try fill(split, writer)
                records[split] = try writer.finish()
                labels = max(labels, writer.labelCount)
                labelsSequences = labelsSequences && writer.labelsSequences
            }
            // Numbers have no vocabulary; its one entry stands for any row of them.
            var tokens = ByteStringTable()
            _ = tokens.insert("<row>".utf8)
            let vocabulary = Vocabulary(level: .piece, tokens: tokens, occurrences: [records[.train]?.tokens ?? 0])
            let task: SequenceTask = shape.targets != nil ? .values : labelsSequences ? .label : .tags
            let sources = try inputs.map {
                DatasetManifest.InputRecord(path: $0, bytes: try File.open($0, .read).size(), sha256: try Digest.sha256(ofFile: $0))
            }
            return try publish(
                vocabulary, records, sources, task: task,
                labels: shape.targets == nil ? Labels((0..<labels).map(String.init), counts: Array(repeating: 0, count: labels)) : nil,
                values: shape, in: staging.path)
        }
    }
}
