/// What a checkpoint says about itself: `manifest.json`.
///
/// The caller fills in the progress of the training; `CheckpointStore.save` adds the rest (sequence, creation time, files).
public struct Manifest: Codable, Equatable, Sendable {
    /// Format versions that this program reads; it writes the newest.
    public static let supportedFormats = 1...1

    public private(set) var formatVersion = supportedFormats.upperBound
    /// The version of the program that wrote it.
    public var programVersion: String
    public var model: ModelSummary
    /// The complete configuration, as YAML.
    public var configuration: String

    /// Number of updates so far.
    public var step: Int
    public var epoch: Int
    /// Position in the epoch: the number of predictions that each stream has made.
    public var offset: Int
    /// Tokens trained so far, over all streams and epochs.
    public var tokens: Int
    public var seed: UInt64
    /// The state of the learning-rate schedule by name: current rate, counters, factors.
    public var schedule: [String: Double]
    /// Nats per token of a validation at this step, if there was one.
    public var validationLoss: Double?
    public var best: Best?

    /// SHA-256 of the dataset's files by name. If `vocabulary.json` is among them, the copy must match it.
    public var datasetFiles: [String: String]
    /// The vocabulary's hash, which does not depend on how its file is formatted.
    public var vocabularyHash: String
    /// The number of ranks that trained; any number may resume.
    public var ranks: Int

    /// Counts the saves in a run folder. It determines which checkpoint is newest, even after the run was resumed
    /// from an earlier step, and depends on no clock.
    public internal(set) var sequence = 0
    /// ISO 8601, UTC.
    public internal(set) var created = ""
    /// The other files of the folder, by name.
    public internal(set) var files: [String: FileRecord] = [:]

    /// The lowest validation loss so far.
    public struct Best: Codable, Equatable, Sendable {
        /// Nats per token.
        public var validationLoss: Double
        public var step: Int

        public init(validationLoss: Double, step: Int) {
            self.validationLoss = validationLoss
            self.step = step
        }

        private enum CodingKeys: String, CodingKey {
            case validationLoss = "validation_loss"
            case step
        }
    }

    public init(
        programVersion: String, model: ModelSummary, configuration: String, step: Int, epoch: Int, offset: Int,
        tokens: Int, seed: UInt64, schedule: [String: Double], validationLoss: Double?, best: Best?,
        datasetFiles: [String: String], vocabularyHash: String, ranks: Int
    ) {
        self.programVersion = programVersion
        self.model = model
        self.configuration = configuration
        self.step = step
        self.epoch = epoch
        self.offset = offset
        self.tokens = tokens
        self.seed = seed
        self.schedule = schedule
        self.validationLoss = validationLoss
        self.best = best
        self.datasetFiles = datasetFiles
        self.vocabularyHash = vocabularyHash
        self.ranks = ranks
    }

    private enum CodingKeys: String, CodingKey {
        case model, configuration, step, epoch, offset, tokens, seed, schedule, best, ranks, sequence, created, files
        case formatVersion = "format_version"
        case programVersion = "program_version"
        case validationLoss = "validation_loss"
        case datasetFiles = "dataset_files"
        case vocabularyHash = "vocabulary_hash"
    }

    /// The first number that no training run can produce, if any. Numbers that pass can be incremented without overflow,
    /// and any two of the model's sizes can be multiplied.
    var impossibleNumber: String? {
        let counters = [
            ("step", step), ("epoch", epoch), ("offset", offset), ("tokens", tokens), ("sequence", sequence),
            ("best.step", best?.step ?? 0),
        ]
        let sizes = [
            ("ranks", ranks), ("model.layers", model.layers), ("model.embedding", model.embedding),
            ("model.hidden", model.hidden), ("model.vocabulary_size", model.vocabularySize),
        ]
        let found =
            counters.first { !(0...1 << 60).contains($0.1) } ?? sizes.first { !(1...Int(Int32.max)).contains($0.1) }
        return found.map { "\($0.0) \($0.1)" }
    }
}

/// The model's shape, for programs that read checkpoints but not YAML.
public struct ModelSummary: Codable, Equatable, Sendable {
    public var cell: String
    public var activation: String
    public var layers: Int
    public var embedding: Int
    public var hidden: Int
    public var tied: Bool
    public var vocabularySize: Int

    public init(
        cell: String, activation: String, layers: Int, embedding: Int, hidden: Int, tied: Bool, vocabularySize: Int
    ) {
        self.cell = cell
        self.activation = activation
        self.layers = layers
        self.embedding = embedding
        self.hidden = hidden
        self.tied = tied
        self.vocabularySize = vocabularySize
    }

    private enum CodingKeys: String, CodingKey {
        case cell, activation, layers, embedding, hidden, tied
        case vocabularySize = "vocabulary_size"
    }
}

/// Size and checksums of one file of a checkpoint.
public struct FileRecord: Codable, Equatable, Sendable {
    /// Bytes.
    public var size: Int
    public var sha256: String
    /// SHA-256 of each tensor's bytes by name, so that damage can be named; nil for a file without tensors.
    public var tensors: [String: String]?
}
