import Checkpoints
import Corpus
import Diagnostics
import Files
import Inference
import Recurrent

/// The weights of `--init-from`: a run's, a checkpoint's or a single file's, shown to fit the model and the vocabulary.
struct InitialWeights {
    let file: SafetensorsFile
    /// SHA-256 of the file.
    let hash: String

    /// - Throws: `OtherVocabulary`, `ModelFileError`, `CheckpointError`, `SafetensorsError`, `FileError`.
    init(
        _ path: String, for model: ModelConfiguration, dataset: Dataset, _ note: @escaping @Sendable (String) -> Void
    ) throws {
        let path = Folder.withoutSlash(path)
        if Folder.isFolder(path) {
            let checkpoint = try CheckpointStore.resolve(path, note: note)
            guard checkpoint.manifest.kind == Manifest.recurrent else {
                throw UsageError(
                    "an n-gram model has no weights to start from", location: path, remedy: "give a run of a recurrent network")
            }
            file = checkpoint.model
            try InitialWeights.compare(checkpoint.manifest.vocabularyHash, of: checkpoint.vocabularyPath, with: dataset)
        } else {
            file = try SafetensorsFile(path)
            // A checkpoint's own file lies beside its vocabulary; of any other nothing says what its rows stand for.
            let vocabulary = "\(Folder.parent(of: path))/\(DatasetManifest.vocabularyFileName)"
            if let own = try? Vocabulary(contentsOf: vocabulary) {
                try InitialWeights.compare(own.hash, of: vocabulary, with: dataset)
            } else {
                try InitialWeights.compareSize(of: file, with: dataset)
                note("nothing beside \(path) says which tokens its rows stand for: make sure that they have the ids of \(dataset.vocabularyPath)")
            }
        }
        try ModelFile.check(file, model: model)
        hash = try Digest.sha256(ofFile: file.path)
    }

    private static func compare(_ hash: String, of vocabulary: String, with dataset: Dataset) throws {
        guard hash != dataset.vocabulary.hash else { return }
        let level = dataset.vocabulary.level
        let remedy =
            level == .word || level == .piece
            ? "prepare the text with the vocabulary of the weights (lockstep prepare --vocabulary \(vocabulary.shellWord)), or train without --init-from"
            : "prepare the text with the vocabulary of the weights, or train without --init-from"
        throw OtherVocabulary(
            file: dataset.folder, expected: hash, found: dataset.vocabulary.hash,
            what: "the data's vocabulary is not that of the weights: their rows would stand for other tokens", remedy: remedy)
    }

    /// A foreign file tells no more of its vocabulary than how large it is.
    private static func compareSize(of file: SafetensorsFile, with dataset: Dataset) throws {
        guard let rows = ModelFile.vocabularySize(of: file), rows != dataset.vocabulary.count else { return }
        throw OtherVocabulary(
            file: dataset.folder, expected: "\(rows) tokens, as \(file.path) has rows", found: "\(dataset.vocabulary.count)",
            what: "the data's vocabulary is not that of the weights",
            remedy: "prepare the data with the ids that the weights were trained on (lockstep prepare --tokens)")
    }
}
