import Files
import FoundationEssentials

/// Names inside a checkpoint folder.
enum CheckpointFile {
    static let model = "model.safetensors"
    static let state = "state.safetensors"
    static let vocabulary = "vocabulary.json"
    /// The same model as text, for other programs; of n-gram models only.
    static let arpa = "model.arpa"

    static func all(of kind: String) -> [String] { [model, state, vocabulary] + (kind == Manifest.ngram ? [arpa] : []) }
}

/// The content of a checkpoint to be saved.
package struct CheckpointContent {
    package var manifest: Manifest
    /// Parameters, under PyTorch's names.
    package var model: [NamedTensor]
    /// Optimizer slots, carried state by global stream.
    package var state: [NamedTensor]
    /// Path of the dataset's `vocabulary.json`.
    package var vocabularyPath: String
    /// Writes `model.arpa`, piece by piece; for n-gram models.
    package var arpa: ((_ write: @escaping (UnsafeRawBufferPointer) throws -> Void) throws -> Void)?

    package init(
        manifest: Manifest, model: [NamedTensor], state: [NamedTensor], vocabularyPath: String,
        arpa: ((_ write: @escaping (UnsafeRawBufferPointer) throws -> Void) throws -> Void)? = nil
    ) {
        self.manifest = manifest
        self.model = model
        self.state = state
        self.vocabularyPath = vocabularyPath
        self.arpa = arpa
    }

    /// Fills an empty folder with durable files, the manifest last.
    func write(to folder: String, sequence: Int) throws {
        var manifest = manifest
        manifest.sequence = sequence
        manifest.created = Date.now.ISO8601Format()
        manifest.files = [
            CheckpointFile.model: try SafetensorsWriter.write(
                model, to: "\(folder)/\(CheckpointFile.model)", metadata: try manifest.model.metadata),
            CheckpointFile.state: try SafetensorsWriter.write(state, to: "\(folder)/\(CheckpointFile.state)"),
            CheckpointFile.vocabulary: try copyVocabulary(to: folder),
        ]
        if let arpa { manifest.files[CheckpointFile.arpa] = try CheckpointContent.write(arpa, to: "\(folder)/\(CheckpointFile.arpa)") }
        try ManifestFile.write(manifest, in: folder)
        try Folder.sync(folder)
    }

    private static func write(
        _ content: (@escaping (UnsafeRawBufferPointer) throws -> Void) throws -> Void, to path: String
    ) throws -> FileRecord {
        let file = try File.open(path, .createNew)
        let digest = Digest()
        try content {
            try file.write($0)
            digest.update($0)
        }
        try file.sync()
        let size = try file.size()
        try file.close()
        return FileRecord(size: size, sha256: digest.hexadecimal())
    }

    private func copyVocabulary(to folder: String) throws -> FileRecord {
        let vocabulary = try File.contents(of: vocabularyPath)
        return try vocabulary.withUnsafeBytes { bytes in
            let hash = Digest.sha256(bytes)
            if let expected = manifest.datasetFiles[CheckpointFile.vocabulary], expected != hash {
                throw CheckpointError.otherVocabulary(path: vocabularyPath, expected: expected, found: hash)
            }
            let file = try File.open("\(folder)/\(CheckpointFile.vocabulary)", .createNew)
            try file.write(bytes)
            try file.sync()
            try file.close()
            return FileRecord(size: bytes.count, sha256: hash)
        }
    }
}

/// A checkpoint folder that was found to be complete.
package struct LoadedCheckpoint: Sendable {
    package let folder: String
    package let manifest: Manifest
    package let model: SafetensorsFile
    package let state: SafetensorsFile
    /// The copy of the dataset's vocabulary.
    package var vocabularyPath: String { "\(folder)/\(CheckpointFile.vocabulary)" }

    /// SHA-256 of the file with the weights.
    package var modelHash: String { manifest.files[CheckpointFile.model]?.sha256 ?? "" }
    /// SHA-256 of the file with optimizer slots and carried state.
    package var stateHash: String { manifest.files[CheckpointFile.state]?.sha256 ?? "" }

    /// Bytes of all files but the manifest.
    package var size: Int { CheckpointFile.all(of: manifest.kind).reduce(0) { $0 + (manifest.files[$1]?.size ?? 0) } }

    /// Opens the folder. Sizes and headers are always checked.
    /// - Parameters:
    ///   - verifying: whether to compare the checksum of each file too, which reads the files completely.
    ///   - finite: whether to refuse NaN and infinity as well, with which neither training nor evaluation can begin.
    /// - Throws: `CheckpointError`, `SafetensorsError`, `FileError`.
    package init(folder: String, verifying: Bool = true, finite: Bool = true) throws {
        self.folder = folder
        manifest = try ManifestFile.read(in: folder)
        for name in CheckpointFile.all(of: manifest.kind) {
            try Self.check("\(folder)/\(name)", against: manifest.files[name], verifying: verifying)
        }
        model = try SafetensorsFile("\(folder)/\(CheckpointFile.model)")
        state = try SafetensorsFile("\(folder)/\(CheckpointFile.state)")
        if verifying, finite { try requireFinite() }
    }

    /// - Throws: `CheckpointError.notFinite`.
    package func requireFinite() throws {
        for file in [model, state] {
            for tensor in file.tensors where !file.isFinite(tensor) {
                throw CheckpointError.notFinite(file: file.path, tensor: tensor.name)
            }
        }
    }

    private static func check(_ path: String, against record: FileRecord?, verifying: Bool) throws {
        // A link could lead out of the folder, and opening a pipe would wait forever.
        guard let record, Folder.isFile(path, followingLinks: false) else {
            throw CheckpointError.missingFile(path: path)
        }
        let size = try File.open(path, .read).size()
        guard size == record.size else {
            throw CheckpointError.wrongSize(path: path, expected: record.size, found: size)
        }
        guard verifying else { return }
        let hash = try Digest.sha256(ofFile: path)
        guard hash == record.sha256 else {
            if let tensors = record.tensors { try nameDamagedTensor(in: path, tensors) }
            throw CheckpointError.damagedFile(path: path, expected: record.sha256, found: hash)
        }
    }

    private static func nameDamagedTensor(in path: String, _ records: [String: String]) throws {
        let file = try SafetensorsFile(path)
        for tensor in file.tensors {
            let hash = Digest.sha256(file.bytes(of: tensor))
            if let expected = records[tensor.name], expected != hash {
                throw CheckpointError.damagedTensor(file: path, tensor: tensor.name, expected: expected, found: hash)
            }
        }
    }
}
