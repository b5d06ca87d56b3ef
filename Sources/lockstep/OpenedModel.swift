import Checkpoints
import Configuration
import Corpus
import Diagnostics
import Files
import Inference
import NGram
import Recurrent

/// A model and its vocabulary in memory, for evaluate, generate, complete and score.
struct OpenedModel {
    /// A checkpoint folder, a file of weights or an ARPA file.
    let path: String
    /// Nil for a file.
    let checkpoint: LoadedCheckpoint?
    /// SHA-256 of the file that holds the weights.
    let modelHash: String
    /// Reads one text or batch after another; a command uses it for one thing.
    private(set) var predictor: any TokenPredictor
    /// Of a mixture, its models with their weights; else empty.
    private(set) var mixture: [MixtureMember] = []
    /// Nil without `--dynamic`.
    private(set) var dynamic: DynamicRecord?
    /// Nil without `--cache`.
    private(set) var cache: CacheSettings?
    /// What the weights of the mixture, or theta and weight of the cache, were fitted to; nil if they were given.
    private(set) var fittedOn: DatasetPart?
    let vocabulary: Vocabulary
    /// By id, of a model that predicts labels; nil for one that predicts tokens.
    let labels: [String]?
    /// What `--vocabulary` named.
    private let vocabularyPath: String?

    /// The model of `--checkpoint`.
    /// - Parameters:
    ///   - others: what `--mix` names.
    ///   - announcing: print notes (an unusable best checkpoint, say); on one rank only.
    init(_ options: ModelOptions, beside others: [String] = [], announcing: Bool = true) throws {
        let isDescribed = { (path: String) in Folder.isFolder(path) || ARPAFile.isARPA(path) }
        if isDescribed(options.checkpoint), others.allSatisfy(isDescribed) { try options.refuseFileOptions() }
        // The words of an ARPA file have their numbers from a model whose numbers are fixed.
        let fixed = others.contains { !isDescribed($0) } ? options.vocabulary : others.first(where: Folder.isFolder)
        try self.init(
            options.checkpoint, options, like: ARPAFile.isARPA(options.checkpoint) ? fixed.map { try Vocabulary.open($0) { _ in } } : nil,
            announcing: announcing)
    }

    /// - Parameters:
    ///   - options: for a file of weights, the vocabulary and what shapes do not tell.
    ///   - other: a vocabulary that gives the words of an ARPA file their numbers, if they are the same.
    init(_ given: String, _ options: ModelOptions, like other: Vocabulary?, announcing: Bool) throws {
        let note: @Sendable (String) -> Void = { if announcing { Failure.say("note: \($0)") } }
        let given = Folder.withoutSlash(given)
        vocabularyPath = options.vocabulary.map(Folder.withoutSlash)
        if Folder.isFolder(given) || !Folder.exists(given) {
            let checkpoint = try CheckpointStore.resolve(given, note: note)
            self.checkpoint = checkpoint
            path = checkpoint.folder
            modelHash = checkpoint.modelHash
            predictor = try ModelFormat.open(checkpoint)
            vocabulary = try Vocabulary(contentsOf: checkpoint.vocabularyPath)
            labels = checkpoint.manifest.model.labels
        } else if ARPAFile.isARPA(given) {
            let file = try ARPAFile(given, numberedAs: other)
            file.notes.forEach(note)
            checkpoint = nil
            path = given
            predictor = NGramPredictor(file.model)
            modelHash = try Digest.sha256(ofFile: given)
            vocabulary = file.vocabulary
            labels = nil
        } else {
            let file = try SafetensorsFile(given)
            guard let vocabularyPath else {
                throw UsageError(
                    "a file of weights does not say what its tokens stand for", location: given,
                    remedy: "say it with --vocabulary: a dataset, run or checkpoint folder, a vocabulary.json, or a text file with a token a line")
            }
            vocabulary = try Vocabulary.open(vocabularyPath, note: note)
            checkpoint = nil
            path = given
            let (configuration, parameters) = try ModelFile.load(
                file, cell: options.shape.cell, activation: options.shape.activation,
                connections: options.shape.connections)
            predictor = RecurrentPredictor(configuration, parameters: parameters)
            labels = try ModelSummary(describing: file)?.labels
            if configuration.cell.choosesActivation, options.shape.activation == nil, try ModelSummary(describing: file) == nil {
                note("\(given): the cell is \(configuration.cell.rawValue), read with tanh; --activation says another")
            }
            modelHash = try Digest.sha256(ofFile: given)
        }
        guard vocabulary.count == predictor.vocabularySize else {
            throw OtherSize(
                file: vocabularyPath ?? path, model: path, expected: predictor.vocabularySize, found: vocabulary.count)
        }
    }

    /// The network of a model that predicts labels; nil for one that predicts tokens.
    var labeller: (network: RecurrentPredictor, labels: [String])? {
        guard let labels, let network = predictor as? RecurrentPredictor else { return nil }
        return (network, labels)
    }

    /// - Throws: `UsageError` for a model that predicts labels and not tokens.
    func predictingTokens() throws -> OpenedModel {
        if (predictor as? RecurrentPredictor)?.predictsTokens ?? true { return self }
        throw UsageError(
            "the model predicts \(labels == nil ? "values" : "labels") and not the next token", location: path,
            remedy: "use lockstep evaluate or score with it, without --mix, --cache and --dynamic")
    }

    /// What ranks that opened it must agree on.
    var identity: [(name: String, value: String)] {
        [
            ("the checkpoint's step", step.map(String.init) ?? "none"), ("the model's SHA-256", modelHash),
            ("the vocabulary's SHA-256", vocabulary.hash),
        ]
    }

    /// The model with others mixed in.
    /// - Parameters:
    ///   - mixture: this model's predictor, then those of the others.
    ///   - weights: in this order.
    func mixed(
        with others: [OpenedModel], as mixture: MixturePredictor, weights: [Double], fittedOn: DatasetPart? = nil
    ) -> OpenedModel {
        var result = self
        mixture.weights = weights
        result.predictor = mixture
        result.fittedOn = fittedOn ?? self.fittedOn
        result.mixture = zip([self] + others, weights).map { MixtureMember($0, weight: $1) }
        return result
    }

    /// The network as it keeps learning.
    func learning(_ predictor: DynamicPredictor, _ record: DynamicRecord) -> OpenedModel {
        var result = self
        result.predictor = predictor
        result.dynamic = record
        return result
    }

    /// Streams of a text that something is fitted to.
    var fittingStreams: Int { dynamic == nil ? PartLosses.streams : 1 }

    /// The network with a cache around it.
    func cached(_ predictor: CachePredictor, _ settings: CacheSettings, fittedOn: DatasetPart?) -> OpenedModel {
        var result = self
        result.predictor = predictor
        result.cache = settings
        result.fittedOn = fittedOn
        return result
    }

    /// Updates made when it was saved; nil for a file.
    var step: Int? { checkpoint?.manifest.step }

    /// Where the training data was, from the configuration in the manifest; for a file of weights, the dataset that its
    /// vocabulary came from.
    func dataFolder() throws -> String {
        guard let checkpoint else {
            guard let vocabularyPath, Folder.exists("\(vocabularyPath)/dataset.json") else {
                throw UsageError("a model's file has no data of its own", location: path, remedy: "give --data FOLDER or --text FILE")
            }
            return vocabularyPath
        }
        let manifest = "\(checkpoint.folder)/manifest.json"
        let folder = try RunConfiguration.load(yaml: checkpoint.manifest.configuration, name: manifest).data.path
        guard Folder.isFolder(folder) else { throw DataNotThere(folder: folder) }
        return folder
    }

    /// Ids mean the same tokens only with the same vocabulary.
    func require(_ dataset: Dataset) throws {
        let expected = checkpoint?.manifest.vocabularyHash ?? vocabulary.hash
        guard dataset.vocabulary.hash == expected else {
            throw OtherVocabulary(file: dataset.folder, expected: expected, found: dataset.vocabulary.hash)
        }
    }
}

/// A vocabulary that cannot be the model's.
struct OtherSize: DiagnosedError {
    let file: String
    let model: String
    let expected: Int
    let found: Int

    var kind: FailureKind { .data }
    var diagnosis: Diagnosis {
        Diagnosis(
            "the vocabulary is not that of \(model)", file: file, expected: "\(expected) tokens", found: "\(found) tokens",
            remedy: "give the vocabulary that the model was trained with")
    }
}

/// Data prepared with another vocabulary than the model's.
struct OtherVocabulary: DiagnosedError {
    let file: String
    let expected: String
    let found: String
    var what = "the data's vocabulary is not the checkpoint's"
    var remedy = "use the dataset that the model was trained on, or evaluate a text file with --text"

    var kind: FailureKind { .data }
    var diagnosis: Diagnosis {
        Diagnosis(
            what, file: file, expected: expected, found: found, remedy: remedy)
    }
}

/// The dataset folder that a configuration names, perhaps relative to another working directory.
struct DataNotThere: DiagnosedError {
    let folder: String

    var kind: FailureKind { .data }
    var diagnosis: Diagnosis {
        Diagnosis(
            "the data on which the model was trained is not there", file: folder,
            remedy: "give its folder with --data FOLDER, or evaluate a text file with --text")
    }
}

/// Text that was in memory when it turned out not to fit the vocabulary, with the place it came from.
struct UnreadableText: DiagnosedError {
    let file: String
    var line: Int?
    let cause: TextError

    var kind: FailureKind { cause.kind }
    var diagnosis: Diagnosis {
        var diagnosis = cause.diagnosis
        diagnosis.file = file
        diagnosis.location = [line.map { "line \($0)" }, diagnosis.location].compactMap { $0 }.joined(separator: ", ")
        return diagnosis
    }
}

extension ARPAFile {
    /// The words, with `<eos>` for `</s>`.
    var vocabulary: Vocabulary {
        Vocabulary(words: words, endOfSentence: Int(model.wordSet.end), unknown: Int(model.wordSet.unknown))
    }
}
