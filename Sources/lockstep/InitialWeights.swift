import Checkpoints
import Corpus
import Diagnostics
import Files
import Inference
import Recurrent
import Reporting

/// What a model takes from the weights of `--init-from`: a run's, a checkpoint's or a single file's.
struct InitialWeights {
    let transfer: WeightTransfer
    /// For the run's checkpoints.
    let origin: Manifest.Origin
    /// What was taken and what was not, for the person who starts the run.
    let lines: [String]

    /// - Throws: `NothingToTake`, `OtherVocabulary`, `CheckpointError`, `SafetensorsError`, `FileError`.
    init(
        _ path: String, for model: ModelConfiguration, dataset: Dataset, _ note: @escaping @Sendable (String) -> Void
    ) throws {
        let path = Folder.withoutSlash(path)
        let file: SafetensorsFile
        var source: Vocabulary?
        if Folder.isFolder(path) {
            let checkpoint = try CheckpointStore.resolve(path, note: note)
            guard checkpoint.manifest.kind == Manifest.recurrent else {
                throw UsageError(
                    "an n-gram model has no weights to start from", location: path, remedy: "give a run of a recurrent network")
            }
            file = checkpoint.model
            source = try Vocabulary(contentsOf: checkpoint.vocabularyPath)
        } else {
            file = try SafetensorsFile(path)
            // A checkpoint's own file lies beside its vocabulary; of any other nothing says what its rows stand for.
            source = try? Vocabulary(contentsOf: "\(Folder.parent(of: path))/\(DatasetManifest.vocabularyFileName)")
            if source == nil {
                try InitialWeights.compareSize(of: file, with: dataset)
                note("nothing beside \(path) says which tokens its rows stand for: make sure that they have the ids of \(dataset.vocabularyPath)")
            }
        }
        transfer = try WeightTransfer(
            file, of: source, to: model, dataset.vocabulary, labels: model.output == .next ? nil : dataset.labels?.names)
        origin = Manifest.Origin(
            option: "--init-from", path: file.path.legible, sha256: try Digest.sha256(ofFile: file.path), taken: transfer.taken,
            left: Dictionary(transfer.left.map { ($0.name, $0.reason) }) { first, _ in first })
        lines = InitialWeights.lines(transfer, file.path, dataset.vocabulary)
    }

    private static func lines(_ transfer: WeightTransfer, _ path: String, _ vocabulary: Vocabulary) -> [String] {
        let (taken, left) = (transfer.taken, transfer.left)
        let all = left.isEmpty ? "all \(taken.count)" : "\(taken.count) of \(taken.count + left.count)"
        var lines = ["\(all) parameters from \(path)\(left.isEmpty ? "" : ": \(list(taken))")"]
        if let matched = transfer.matched { lines.append("rows by token: \(Coverage(matched, of: vocabulary).text)") }
        var reasons: [String] = []
        for other in left where !reasons.contains(other.reason) { reasons.append(other.reason) }
        for reason in reasons {
            lines.append("not taken: \(list(left.filter { $0.reason == reason }.map(\.name))): \(reason)")
        }
        if !transfer.unused.isEmpty { lines.append("not used: \(list(transfer.unused))") }
        return lines
    }

    private static func list(_ names: [String]) -> String {
        let shown = names.count > 12 ? names.prefix(10) + ["and \(names.count - 10) more"] : names[...]
        return shown.map(\.printable).joined(separator: ", ")
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

/// The vectors of `--init-embeddings`.
struct InitialVectors {
    let vectors: PretrainedVectors
    let origin: Manifest.Origin
    let lines: [String]

    /// - Throws: `UsageError` for a model without word vectors; `VectorFileError`, `FileError`, and what reading a compressed or endless file throws.
    init(_ path: String, for model: ModelConfiguration, dataset: Dataset) throws {
        guard model.values == nil else {
            throw UsageError("a model that reads numbers has no word vectors", location: "--init-embeddings", remedy: "leave it out")
        }
        vectors = try PretrainedVectors(contentsOf: path, width: model.embedding, for: dataset.vocabulary)
        let coverage = Coverage(vectors.tokens, of: dataset.vocabulary)
        origin = Manifest.Origin(
            option: "--init-embeddings", path: vectors.path.legible, sha256: vectors.sha256,
            taken: ["\(ModelFile.embeddingName): \(coverage.text)"], left: [:])
        let folded = vectors.lowerCased == 0 ? "" : ", \(Formatting.count(vectors.lowerCased)) of them by their lower-case form"
        var lines = ["embedding from \(vectors.path): \(coverage.text)\(folded)"]
        if coverage.tokens < coverage.vocabularySize {
            lines.append("the other tokens start with random vectors\(model.freezesEmbedding ? ", and keep them (model.freeze_embedding)" : "")")
        }
        self.lines = lines
    }
}

/// How much of a vocabulary something knows.
struct Coverage {
    let tokens: Int
    let vocabularySize: Int
    /// Of the training text, 0 to 1; nil for a vocabulary that does not count.
    let share: Double?

    /// - Parameter ids: those that it knows.
    init(_ ids: [Int], of vocabulary: Vocabulary) {
        tokens = ids.count
        vocabularySize = vocabulary.count
        let all = vocabulary.occurrences.reduce(0, +)
        share = all == 0 ? nil : Double(ids.reduce(0) { $0 + vocabulary.occurrences[$1] }) / Double(all)
    }

    /// As in "9,120 of 10,000 tokens, 98.3 % of the training text".
    var text: String {
        let share = share.map { ", \(Formatting.fixed(100 * $0, decimals: 1)) % of the training text" } ?? ""
        return "\(Formatting.count(tokens)) of \(Formatting.count(vocabularySize)) tokens\(share)"
    }
}

extension LoadedCheckpoint {
    /// The option that starts a new run with these weights; nil for an n-gram model, which has none.
    var initFrom: String? { manifest.kind == Manifest.ngram ? nil : "--init-from \(folder.shellWord)" }
}
