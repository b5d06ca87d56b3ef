import Configuration
import Corpus
import Diagnostics
import Optimization
import Recurrent
import Training

extension TrainingOptions {
    /// The run that a configuration describes, for a vocabulary and a corpus of known size.
    /// - Parameters:
    ///   - lineEnd: the token that ends lines; nil if the text has none.
    ///   - sequences: those to train on; nil for streams.
    ///   - labels: their number; nil if the data have none.
    ///   - values: the columns of data of numbers; nil for tokens.
    ///   - tokens: the training text. Their number determines that of the steps, and what they are the cutoffs of an adaptive softmax.
    /// - Throws: `PartitionError`; `UsageError` for a rule for line ends where there are none, and for cutoffs that the vocabulary has not.
    init(
        _ configuration: RunConfiguration, vocabularySize: Int, lineEnd: Int32?, tokens: TokenStore, sequences: TrainingSequences? = nil,
        labels: Int? = nil, values: DatasetManifest.ValuesRecord? = nil
    ) throws {
        try configuration.requireNetwork()
        let training = configuration.training
        let unroll: UnrollPlan
        let steps: Int
        if let sequences {
            unroll = UnrollPlan(fixed: sequences.training.longest)
            steps = training.steps ?? training.epochs * SentenceBatches.batches(sequences.training, size: training.streams)
        } else {
            unroll =
                training.randomUnroll
                ? UnrollPlan(random: training.unroll, seed: training.seed) : UnrollPlan(fixed: training.unroll)
            let partition = try StreamPartition(
                tokens: tokens.count, streams: training.streams, remainder: .dropped,
                name: "\(configuration.data.path)/train.npy", setting: "training.streams")
            steps = training.steps ?? unroll.totalSteps(length: partition.steps, epochs: training.epochs)
        }
        self.init(
            model: ModelConfiguration(configuration.model, vocabularySize: vocabularySize),
            streams: training.streams, unroll: unroll, totalSteps: steps,
            loss: training.loss,
            clip: GradientClip(training.clip), optimizer: OptimizerRule(training.optimizer),
            schedule: LearningRateSchedule(training.schedule, base: training.optimizer.learningRate, steps: steps),
            seed: training.seed,
            checkpoints: CheckpointPlan(
                everySteps: configuration.checkpoint.everySteps, everyMinutes: configuration.checkpoint.everyMinutes,
                keep: configuration.checkpoint.keep),
            validation: ValidationPlan(
                everySteps: configuration.validation.everySteps, everyEpoch: configuration.validation.everyEpoch,
                streams: configuration.validation.streams),
            metricsEverySteps: configuration.metrics.everySteps)
        model.softmax = try Softmax(configuration.model.softmax, for: model) { tokens.counts(vocabularySize: vocabularySize) }
        model.output = Output(configuration.model, labels: labels ?? values?.targets)
        model.values = values?.inputs
        model.readsSequences = sequences != nil
        validationSteps = sequences?.validation?.longest
        picksByAccuracy = configuration.validation.best == .accuracy
        if let sequences, sequences.training.predictsNext {
            // Its text is read so by whatever reads a text from left to right, too.
            model.lineEnd = lineEnd.flatMap { LineEnd(token: $0, rule: .reset) }
        } else if training.lineEnd != .carry, sequences == nil {
            guard let lineEnd else {
                throw UsageError(
                    "the vocabulary has no token that ends a line", location: "training.line_end",
                    expected: "<eos>, or a newline among characters or bytes", found: training.lineEnd.rawValue,
                    remedy: "set it to carry, or prepare a text with lines")
            }
            model.lineEnd = LineEnd(token: lineEnd, rule: training.lineEnd)
        }
        model.penalties.activation = Float(training.activationPenalty)
        model.penalties.slowness = Float(training.slownessPenalty)
        verifyEverySteps = training.verifyEverySteps
        exchange = configuration.exchange
        reproducibleShards = training.reproducibleShards
    }
}

extension RunConfiguration {
    /// - Throws: `UsageError` for an n-gram model.
    func requireNetwork() throws {
        guard model.kind == .ngram else { return }
        throw UsageError(
            "an n-gram model is counted, not trained step by step", location: "model.cell", found: "ngram",
            remedy: "use lockstep train, evaluate, score, generate, complete and inspect with it, or choose a recurrent cell")
    }
}

extension ModelConfiguration {
    /// - Parameter model: validated.
    init(_ model: RunConfiguration.Model, vocabularySize: Int) {
        guard let sizes = model.hidden.sizes(layers: model.layers) else { preconditionFailure("not validated") }
        self.init(
            cell: model.cell, activation: model.activation, window: model.window ?? 1, normalization: model.normalization,
            vocabulary: vocabularySize, embedding: model.embedding, hidden: sizes, connections: model.connections, bidirectional: model.bidirectional, dropout: DropoutRates(model), tied: model.tied,
            initialRange: Float(model.initialRange), initialEmbeddingRange: model.initialEmbeddingRange.map(Float.init))
        gates = model.gates
        peepholes = model.peepholes
        freezesEmbedding = model.freezeEmbedding
    }
}

extension DropoutRates {
    init(_ model: RunConfiguration.Model) {
        self.init(Float(model.dropout))
        let sites = model.dropouts
        embedding = Float(sites.embedding)
        input = sites.input.map(Float.init) ?? input
        hidden = sites.hidden.map(Float.init) ?? hidden
        output = sites.output.map(Float.init) ?? output
        isLocked = sites.locked
        weights = Float(model.weightDrop)
    }
}

extension GradientClip {
    init(_ clip: RunConfiguration.Clip) {
        if let norm = clip.norm {
            self = .norm(norm)
        } else if let value = clip.value {
            self = .value(value)
        } else {
            self = .none
        }
    }
}

extension OptimizerRule {
    init(_ optimizer: RunConfiguration.Optimizer) {
        self.init(
            optimizer.name, momentum: Float(optimizer.momentum), nesterov: optimizer.nesterov,
            beta1: Float(optimizer.beta1), beta2: Float(optimizer.beta2), epsilon: Float(optimizer.epsilon),
            weightDecay: Float(optimizer.weightDecay))
        nonMonotoneInterval = optimizer.nonMonotoneInterval
    }
}
