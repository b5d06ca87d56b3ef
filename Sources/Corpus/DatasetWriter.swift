import Diagnostics
import Files

/// Makes dataset folders from text or from ready-made tokens.
package struct DatasetWriter {
    package struct Options: Sendable {
        package var level: TokenLevel
        /// Keep at most this many tokens, special ones included.
        package var vocabularySize: Int?
        /// Whether to replace an existing dataset.
        package var overwrite = false
        /// Other processes may be making the same dataset: one that is already there is an error only if it is another.
        package var isShared = false
        /// The options used, for `dataset.json`.
        package var recipe: [String: String] = [:]
        /// Bytes read at once.
        package var bufferSize = 1 << 17

        package init(level: TokenLevel) { self.level = level }
    }

    /// A message to the user during the work.
    package enum Notice: Equatable, Sendable {
        case progress(String)
        case note(String)
        case warning(String)
    }

    let options: Options
    let notify: (Notice) -> Void

    /// - Throws: `PrepareError.vocabularyTooSmall`.
    package init(_ options: Options, notify: @escaping (Notice) -> Void = { _ in }) throws {
        let smallest = Vocabulary.smallestSize(of: options.level)
        if let size = options.vocabularySize, size < smallest {
            throw PrepareError.vocabularyTooSmall(size: size, smallest: smallest)
        }
        precondition(options.bufferSize > 0)
        self.options = options
        self.notify = notify
    }

    /// Writes a dataset folder, whole or not at all.
    /// - Throws: `FileError`, `NotText`, `CompressedText`, `GzipError`, `TextError`, `PrepareError`.
    package func write(_ source: TextSource, to folder: String) throws -> DatasetManifest {
        try staged(folder) { staging in
            let isReadOnce = !TextEncoder.readsTwice(options.level)
            return try fill(
                staging.path, from: source.open(level: options.level, isReadOnce: isReadOnce, folder: staging.path))
        }
    }

    /// Writes a dataset folder from text under a vocabulary that is there already, which is kept as it is: a model of that
    /// vocabulary can be trained on the data, and evaluated. The text is read once.
    /// - Parameter policy: for what a vocabulary without `<unk>` lacks; what is marked is left out.
    /// - Throws: `FileError`, `NotText`, `CompressedText`, `GzipError`, `TextError`, `PrepareError`.
    package func write(
        _ source: TextSource, vocabulary: Vocabulary, unknown policy: Vocabulary.UnknownPolicy, to folder: String
    ) throws -> DatasetManifest {
        try staged(folder) { staging in
            let (inputs, regions) = try source.open(level: vocabulary.level, isReadOnce: true, folder: staging.path)
            try look(at: inputs, regions)
            var splits: [Split: DatasetManifest.SplitRecord] = [:]
            for (split, regions) in regions {
                notify(.progress("encoding \(split.rawValue)"))
                let (record, leftOut) = try regions.write(
                    to: "\(staging.path)/\(DatasetManifest.fileName(of: split))", vocabulary: vocabulary, unknown: policy,
                    bufferSize: options.bufferSize)
                guard record.tokens > 0 else { throw PrepareError.emptySplit(split) }
                splits[split] = record
                warn(of: record, split, vocabulary.level)
                if leftOut > 0 { notify(.warning("\(split.rawValue): \(leftOut) tokens that the vocabulary lacks are left out")) }
            }
            return try publish(vocabulary, splits, inputs.map { $0.record() }, in: staging.path)
        }
    }

    /// Writes a dataset folder from generated text, which is kept in the folder.
    /// - Throws: `FileError`, `PrepareError`.
    package func write(_ sample: KinematicsSample, to folder: String) throws -> DatasetManifest {
        try staged(folder) { staging in
            let inputs = try Split.allCases.map { split in
                let name = DatasetManifest.textFileName(of: split)
                let file = try File.open("\(staging.path)/\(name)", .createNew)
                try file.write(sample.text(of: split))
                try file.sync()
                try file.close()
                return try InputFile(file.path, level: options.level, name: name, reading: .again(folder: staging.path))
            }
            return try fill(
                staging.path,
                from: (
                    inputs,
                    zip(Split.allCases, inputs).map { ($0, [TextRegion($1)]) }
                ))
        }
    }

    /// Writes a dataset folder from token ids that another program made: `.npy` files of one dimension, unsigned of 16
    /// or 32 bits or signed of 32 or 64.
    /// - Parameters:
    ///   - source: percentages refer to the number of tokens.
    ///   - vocabulary: the tokens of the ids; its counts become those of the training part.
    /// - Throws: `FileError`, `TokenInputError`, `PrepareError`.
    package func write(
        tokens source: TextSource, vocabulary: Vocabulary, to folder: String
    ) throws -> DatasetManifest {
        try staged(folder) { staging in
            let (inputs, regions) = try source.openTokens()
            if vocabulary.level.isSpaced, vocabulary.endOfSentence == nil {
                notify(.note("no token is spelled <eos>: lines have no end here, neither in scores nor in generated text"))
            }
            for (split, regions) in regions where regions.isEmpty { throw PrepareError.emptySplit(split) }
            var vocabulary = vocabulary
            var splits: [Split: DatasetManifest.SplitRecord] = [:]
            for (split, regions) in regions {
                notify(.progress("reading \(split.rawValue)"))
                let path = "\(staging.path)/\(DatasetManifest.fileName(of: split))"
                let (record, occurrences) = try regions.write(to: path, vocabulary: vocabulary)
                if split == .train { vocabulary.occurrences = occurrences }
                splits[split] = record
                warn(of: record, split, vocabulary.level)
            }
            return try publish(vocabulary, splits, inputs.map { $0.record() }, in: staging.path)
        }
    }

    func staged(_ folder: String, _ fill: (StagedFolder) throws -> DatasetManifest) throws -> DatasetManifest {
        let staging = try StagedFolder(for: folder, replacing: options.overwrite, isShared: options.isShared)
        do {
            let manifest = try fill(staging)
            try staging.publish()
            return manifest
        } catch {
            staging.discard()
            throw error
        }
    }

    private func fill(
        _ folder: String, from source: (inputs: [InputFile], regions: [(split: Split, regions: [TextRegion])])
    ) throws -> DatasetManifest {
        try look(at: source.inputs, source.regions)
        var encoder = TextEncoder(level: options.level, folder: folder, bufferSize: options.bufferSize)
        for (split, regions) in source.regions {
            notify(.progress("counting \(split.rawValue)"))
            try encoder.count(split, regions)
        }
        let inputs = source.inputs.map { $0.record() }
        let vocabulary = encoder.vocabulary(limit: options.vocabularySize)
        var splits: [Split: DatasetManifest.SplitRecord] = [:]
        for (split, regions) in source.regions {
            notify(.progress("encoding \(split.rawValue)"))
            let record = try encoder.encode(split, regions, with: vocabulary)
            splits[split] = record
            warn(of: record, split, options.level)
        }
        noteUnknown(splits, options.level)
        for (input, record) in zip(source.inputs, inputs) where TextEncoder.readsTwice(options.level) {
            guard input.record() == record else { throw PrepareError.inputChanged(path: input.path) }
        }

        return try publish(vocabulary, splits, inputs, in: folder)
    }

    func noteUnknown(_ splits: [Split: DatasetManifest.SplitRecord], _ level: TokenLevel) {
        guard level == .word, splits[.train]?.unknown == 0, splits.values.contains(where: { $0.unknown > 0 }) else { return }
        notify(
            .note("train has no <unk>, so a model cannot learn how likely an unknown word is; --vocabulary-size leaves out the rarest words"))
    }

    /// - Throws: `PrepareError.emptySplit`.
    func look(at inputs: [InputFile], _ regions: [(split: Split, regions: [TextRegion])]) throws {
        for input in inputs {
            if input.isCompressed { notify(.note("\(input.path): gzip, read decompressed")) }
            if input.start > 0 { notify(.note("\(input.path): dropped the byte-order mark at the start")) }
            if let format = input.foreignFormat {
                notify(.warning("\(input.path): compressed with \(format.rawValue); a model of these bytes learns next to nothing"))
            }
        }
        for (split, regions) in regions where regions.isEmpty { throw PrepareError.emptySplit(split) }
    }

    func warn(of record: DatasetManifest.SplitRecord, _ split: Split, _ level: TokenLevel) {
        // Up to half of the words may normally be unknown; unknown characters and bytes always deserve a message.
        if level.isSpaced ? record.unknown > record.tokens / 2 : record.unknown > 0 {
            notify(.warning("\(split.rawValue): \(record.unknownShare) of the tokens are <unk>"))
        }
    }

    func publish(
        _ vocabulary: Vocabulary, _ splits: [Split: DatasetManifest.SplitRecord],
        _ inputs: [DatasetManifest.InputRecord], task: SequenceTask? = nil, labels: Labels? = nil,
        values: DatasetManifest.ValuesRecord? = nil, in folder: String
    ) throws -> DatasetManifest {
        let json = try vocabulary.json()
        let vocabularyPath = "\(folder)/\(DatasetManifest.vocabularyFileName)"
        try File.publish(json, at: vocabularyPath)
        let manifest = DatasetManifest(
            level: vocabulary.level,
            vocabulary: DatasetManifest.VocabularyRecord(
                size: vocabulary.count, hash: vocabulary.hash, bytes: json.utf8.count,
                sha256: try Digest.sha256(ofFile: vocabularyPath)),
            splits: splits, inputs: inputs, options: options.recipe, task: task,
            labels: labels.map { DatasetManifest.LabelsRecord(count: $0.count, hash: $0.hash) }, values: values)
        if let labels { try File.publish(labels.json(), at: "\(folder)/\(DatasetManifest.labelsFileName)") }
        try File.publish(JSONFile.text(manifest), at: "\(folder)/\(DatasetManifest.fileName)")
        return manifest
    }
}
