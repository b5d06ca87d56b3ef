/// What a checkpoint says about itself: `manifest.json`.
///
/// The caller fills in the progress of the training; `CheckpointStore.save` adds the rest (sequence, creation time, files).
package struct Manifest: Codable, Equatable, Sendable {
    /// Format versions that this program reads; it writes the newest.
    package static let supportedFormats = 1...1

    package private(set) var formatVersion = supportedFormats.upperBound
    /// The version of the program that wrote it.
    package var programVersion: String
    /// What kind of model it is. Manifests once did not say it: then it is a recurrent network.
    package var kind: String { statedKind ?? Manifest.recurrent }
    private var statedKind: String?
    package static let recurrent = "recurrent"
    package static let ngram = "ngram"
    package var model: ModelSummary
    /// The complete configuration, as YAML.
    package var configuration: String

    /// Number of updates so far.
    package var step: Int
    package var epoch: Int
    /// Position in the epoch: the number of predictions that each stream has made.
    package var offset: Int
    /// Tokens trained so far, over all streams and epochs.
    package var tokens: Int
    package var seed: UInt64
    /// The state of the learning-rate schedule by name: current rate, counters, factors.
    package var schedule: [String: Double]
    /// Nats per token of a validation at this step, if there was one.
    package var validationLoss: Double?
    package var best: Best?
    /// Of an optimizer that averages; nil for others.
    package var averaging: Averaging?
    /// What the run started from, beside random numbers; nil if from nothing else.
    package var origins: [Origin]?

    /// SHA-256 of the dataset's files by name. If `vocabulary.json` is among them, the copy must match it.
    package var datasetFiles: [String: String]
    /// The vocabulary's hash, which does not depend on how its file is formatted.
    package var vocabularyHash: String
    /// The number of ranks that trained; any number may resume.
    package var ranks: Int

    /// Counts the saves in a run folder. It determines which checkpoint is newest, even after the run was resumed
    /// from an earlier step, and depends on no clock.
    package internal(set) var sequence = 0
    /// ISO 8601, UTC.
    package internal(set) var created = ""
    /// The other files of the folder, by name.
    package internal(set) var files: [String: FileRecord] = [:]

    /// The best validation so far: that with the lowest loss, or by setting with the highest accuracy.
    package struct Best: Codable, Equatable, Sendable {
        /// Nats per token.
        package var validationLoss: Double
        package var step: Int
        /// The share of right labels, 0 to 1; nil for a model that predicts tokens.
        package var accuracy: Double?

        package init(validationLoss: Double, step: Int, accuracy: Double? = nil) {
            self.validationLoss = validationLoss
            self.step = step
            self.accuracy = accuracy
        }

        private enum CodingKeys: String, CodingKey {
            case validationLoss = "validation_loss"
            case step, accuracy
        }
    }

    /// Whether the model is an average of the weights that training steps, and what decides when it becomes one.
    package struct Averaging: Codable, Equatable, Sendable {
        /// The step after which averaging began; nil if it has not.
        package var start: Int?
        /// Nats per token of the validations so far, up to the one with which it began.
        package var validationLosses: [Double]

        package init(start: Int?, validationLosses: [Double]) {
            self.start = start
            self.validationLosses = validationLosses
        }

        private enum CodingKeys: String, CodingKey {
            case start
            case validationLosses = "validation_losses"
        }
    }

    /// Where initial values of parameters came from. Not needed to resume.
    package struct Origin: Codable, Equatable, Sendable {
        /// The option that named it.
        package var option: String
        package var path: String
        package var sha256: String
        /// Names of the parameters, or of those whose rows were found.
        package var taken: [String]
        /// Why each of the others was not taken.
        package var left: [String: String]

        package init(option: String, path: String, sha256: String, taken: [String], left: [String: String]) {
            self.option = option
            self.path = path
            self.sha256 = sha256
            self.taken = taken
            self.left = left
        }
    }

    package init(
        programVersion: String, kind: String = recurrent, model: ModelSummary, configuration: String, step: Int, epoch: Int, offset: Int,
        tokens: Int, seed: UInt64, schedule: [String: Double], validationLoss: Double?, best: Best?,
        datasetFiles: [String: String], vocabularyHash: String, ranks: Int, averaging: Averaging? = nil, origins: [Origin]? = nil
    ) {
        self.programVersion = programVersion
        statedKind = kind
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
        self.averaging = averaging
        self.origins = origins
    }

    private enum CodingKeys: String, CodingKey {
        case averaging, origins, model, configuration, step, epoch, offset, tokens, seed, schedule, best, ranks, sequence, created, files
        case formatVersion = "format_version"
        case statedKind = "kind"
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
            ("best.step", best?.step ?? 0), ("averaging.start", averaging?.start ?? 0),
        ]
        let found =
            counters.first { !(0...1 << 60).contains($0.1) } ?? [("ranks", ranks)].first { !ModelSummary.sizes.contains($0.1) }
        return found.map { "\($0.0) \($0.1)" } ?? model.impossibleSize(kind: kind).map { "model.\($0)" }
    }
}

/// Size and checksums of one file of a checkpoint.
package struct FileRecord: Codable, Equatable, Sendable {
    /// Bytes.
    package var size: Int
    package var sha256: String
    /// SHA-256 of each tensor's bytes by name, so that damage can be named; nil for a file without tensors.
    package var tensors: [String: String]?
}
