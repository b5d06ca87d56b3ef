import Diagnostics
import Files

/// An open dataset folder: vocabulary and mapped splits, checked against `dataset.json`.
package struct Dataset: Sendable {
    package let folder: String
    package let manifest: DatasetManifest
    package let vocabulary: Vocabulary
    /// SHA-256 over the vocabulary's hash and the checksums of the splits, as `dataset.json` states them: equal for
    /// datasets with the same tokens, wherever they are and whatever they were made from.
    package let hash: String
    /// Nil where targets are no labels.
    package let labels: Labels?
    private let stores: [Split: TokenStore]
    private let sequences: [Split: SequenceFiles]

    /// Checks vocabulary, sizes and counts, but not checksums and token ids, which would require reading everything.
    /// - Parameter recipe: a file that may say how to make the dataset, for the error if there is none.
    /// - Throws: `FileError`, `JSONFileError`, `VocabularyError`, `ArrayFileError`, `DatasetError`.
    package init(folder: String, recipe: String? = nil) throws {
        let manifestPath = "\(folder)/\(DatasetManifest.fileName)"
        guard Folder.exists(folder) else {
            let text = recipe.flatMap { try? File.contents(of: $0, limit: 1 << 20) }.map { String(decoding: $0, as: UTF8.self) }
            throw DatasetError.missing(folder: folder, recipe: text?.contains("--output \(folder)") == true ? recipe : nil)
        }
        guard !Folder.isFolder(folder) || Folder.exists(manifestPath) else {
            throw DatasetError.notADataset(folder: folder)
        }
        let manifest = try JSONFile.read(
            DatasetManifest.self, from: manifestPath, format: DatasetManifest.formatName, limit: 1 << 24)

        let vocabularyPath = "\(folder)/\(DatasetManifest.vocabularyFileName)"
        let vocabulary = try Vocabulary(contentsOf: vocabularyPath)
        func require<Value: Equatable>(_ quantity: String, of file: String, _ stated: Value, _ found: Value) throws {
            guard stated == found else {
                throw DatasetError.disagrees(file: file, quantity: quantity, stated: "\(stated)", found: "\(found)")
            }
        }
        try require("level", of: vocabularyPath, manifest.level, vocabulary.level)
        try require("vocabulary hash", of: vocabularyPath, manifest.vocabulary.hash, vocabulary.hash)
        try require("vocabulary size", of: vocabularyPath, manifest.vocabulary.size, vocabulary.count)

        var stores: [Split: TokenStore] = [:]
        for split in Split.allCases {
            guard let record = manifest.splits[split] else { continue }
            let path = "\(folder)/\(manifest.readFileName(of: split))"
            let store: TokenStore
            if let values = manifest.values {
                let file = try ValueFile(contentsOf: path)
                try require("number of columns", of: path, values.inputs, file.columns)
                store = TokenStore(rowsOf: file)
            } else {
                store = try TokenStore(contentsOf: path)
            }
            try require("number of tokens", of: path, record.tokens, store.count)
            guard 0...record.tokens ~= record.unknown else {
                throw DatasetError.impossibleUnknownCount(
                    file: manifestPath, split: split, unknown: record.unknown, tokens: record.tokens)
            }
            try require("size in bytes", of: path, record.bytes, store.fileSize)
            stores[split] = store
        }

        if let values = manifest.values {
            let tasks: [SequenceTask] = values.targets == nil ? [.tags, .label] : [.values]
            guard let task = manifest.task, tasks.contains(task) else {
                throw DatasetError.disagrees(
                    file: manifestPath, quantity: "kind of targets", stated: values.targets.map { "\($0) numbers" } ?? "labels",
                    found: manifest.task?.rawValue ?? "none")
            }
        }
        var sequences: [Split: SequenceFiles] = [:]
        for (split, record) in manifest.splits where manifest.task != nil {
            guard let record = record.sequences else {
                throw DatasetError.disagrees(file: manifestPath, quantity: "\(split.rawValue) part", stated: "targets of its own", found: "none")
            }
            let files = try SequenceFiles(split, in: folder, areValues: manifest.task == .values)
            if case .values(let file) = files.targets { try require("number of columns", of: file.path, manifest.values?.targets ?? 0, file.columns) }
            try require("size in bytes", of: files.targets.path, record.targets.bytes, files.targets.fileSize)
            try require("size in bytes", of: files.starts.path, record.starts.bytes, files.starts.fileSize)
            sequences[split] = files
        }
        var labels: Labels?
        if manifest.task?.hasLabels == true {
            let path = "\(folder)/\(DatasetManifest.labelsFileName)"
            labels = try Labels(contentsOf: path)
            try require("number of labels", of: path, manifest.labels?.count ?? 0, labels!.count)
            try require("hash of the labels", of: path, manifest.labels?.hash ?? "none", labels!.hash)
        }

        let digest = Digest()
        digest.update(Array(vocabulary.hash.utf8))
        for split in Split.allCases {
            digest.update(Array("\n\(split.rawValue) \(manifest.splits[split]?.sha256 ?? "-")".utf8))
            if let sequences = manifest.splits[split]?.sequences, manifest.task != nil {
                digest.update(Array(" \(sequences.targets.sha256) \(sequences.starts.sha256)".utf8))
            }
        }
        if let labels { digest.update(Array("\n\(labels.hash)".utf8)) }

        self.folder = folder
        self.manifest = manifest
        self.vocabulary = vocabulary
        self.stores = stores
        self.sequences = sequences
        self.labels = labels
        hash = digest.hexadecimal()
    }

    /// SHA-256 of each split's file, by file name, as `dataset.json` states them.
    package var hashes: [String: String] {
        manifest.splits.reduce(into: [:]) { hashes, split in
            hashes[manifest.readFileName(of: split.key)] = split.value.sha256
            guard manifest.task != nil, let sequences = split.value.sequences else { return }
            hashes[DatasetManifest.targetsFileName(of: split.key)] = sequences.targets.sha256
            hashes[DatasetManifest.sequencesFileName(of: split.key)] = sequences.starts.sha256
        }
    }

    /// Reads every split from first byte to last.
    /// - Throws: `DatasetError.disagrees`, `FileError`.
    package func verifyChecksums() throws {
        for split in splits { try verifyChecksum(of: split) }
    }

    /// Reads one split from first byte to last.
    /// - Throws: `DatasetError.disagrees`, `FileError`.
    package func verifyChecksum(of split: Split) throws {
        let names = [
            manifest.readFileName(of: split), DatasetManifest.targetsFileName(of: split), DatasetManifest.sequencesFileName(of: split),
        ]
        for name in names {
            guard let stated = hashes[name] else { continue }
            let path = "\(folder)/\(name)"
            let found = try Digest.sha256(ofFile: path)
            guard found == stated else {
                throw DatasetError.disagrees(file: path, quantity: "SHA-256", stated: stated, found: found)
            }
        }
    }

    package var vocabularyPath: String { "\(folder)/\(DatasetManifest.vocabularyFileName)" }

    /// The existing splits, in the order train, valid, test.
    package var splits: [Split] { Split.allCases.filter { stores[$0] != nil } }

    /// The split's tokens, each checked to be below the vocabulary's size.
    /// - Throws: `DatasetError.noSuchSplit`, `ArrayFileError.tokenOutOfRange`.
    package func tokens(of split: Split) throws -> TokenStore {
        guard let store = stores[split] else {
            throw DatasetError.noSuchSplit(folder: folder, split: split, available: splits)
        }
        try store.validate(vocabularySize: vocabulary.count)
        return store
    }

    /// The split's sequences with their targets, all of them checked; nil for a text without targets of its own.
    /// - Parameter lineEnd: nil for the dataset's own targets; else the sequences' next tokens are the targets, with this one at the end.
    /// - Throws: as `tokens`; `SequenceFileError`.
    package func sequences(of split: Split, framedBy lineEnd: Int32? = nil) throws -> SequenceStore? {
        guard let task = manifest.task else { return nil }
        let tokens = try tokens(of: split)
        guard let files = sequences[split], let record = manifest.splits[split]?.sequences else { return nil }
        try files.validate(record, tokens: tokens.count, task: task, outputs: labels?.count ?? (task == .values ? tokens.count : vocabulary.count))
        return SequenceStore(
            tokens: tokens, targets: files.targets, starts: files.starts, longest: record.longest, predictions: record.predictions,
            lineEnd: lineEnd)
    }
}

package enum DatasetError: DiagnosedError, Equatable {
    /// `recipe`: the file that says how to make it.
    case missing(folder: String, recipe: String?)
    case notADataset(folder: String)
    case disagrees(file: String, quantity: String, stated: String, found: String)
    case impossibleUnknownCount(file: String, split: Split, unknown: Int, tokens: Int)
    case noSuchSplit(folder: String, split: Split, available: [Split])

    package var kind: FailureKind { .data }

    package var diagnosis: Diagnosis {
        switch self {
        case .missing(let folder, let recipe):
            Diagnosis(
                "there is no such dataset", file: folder,
                remedy: recipe.map { "the comments at the top of \($0) say what text it needs and how to prepare it" }
                    ?? "check the path, or make it with `lockstep prepare ... --output \(folder.shellWord)` (see lockstep help prepare)")
        case .notADataset(let folder):
            Diagnosis(
                "not a dataset folder: it has no \(DatasetManifest.fileName)", file: folder,
                remedy: "make one with `lockstep prepare --output \(folder.shellWord)`")
        case .disagrees(let file, let quantity, let stated, let found):
            Diagnosis(
                "the \(quantity) differs from what \(DatasetManifest.fileName) says", file: file, expected: stated,
                found: found, remedy: "prepare the data again")
        case .impossibleUnknownCount(let file, let split, let unknown, let tokens):
            Diagnosis(
                "an impossible count of <unk>", file: file, location: "splits.\(split.rawValue).unknown",
                expected: "0 to \(tokens)", found: "\(unknown)", remedy: "prepare the data again")
        case .noSuchSplit(let folder, let split, let available):
            Diagnosis(
                "the dataset has no \(split.rawValue) split", file: folder,
                found: available.map(\.rawValue).joined(separator: ", "),
                remedy: "choose one of these or prepare the data again with a \(split.rawValue) part")
        }
    }
}
