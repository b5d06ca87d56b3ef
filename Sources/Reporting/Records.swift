import Elementary

/// What all ranks together have done up to a step: one line of `metrics.jsonl`.
public struct TrainingRecord: Sendable, Equatable {
    /// Steps since the start of the run, across resumes.
    public var step: Int
    /// Counted from 1.
    public var epoch: Int
    /// Tokens trained since the start of the run.
    public var tokens: Int
    /// Mean since the last record, in nats per token.
    public var loss: Double
    /// L2 norm of the whole gradient of this step, before clipping.
    public var gradientNorm: Double
    public var learningRate: Double
    /// Mean since the last record, all ranks together.
    public var tokensPerSecond: Double
    /// Time spent training, across resumes.
    public var elapsedSeconds: Double
    /// Share of the steps since the last record whose gradient was clipped, 0 to 1.
    public var clippedShare: Double?
    /// What the steps cost rank 0.
    public var cost: StepCost?

    public init(
        step: Int, epoch: Int, tokens: Int, loss: Double, gradientNorm: Double, learningRate: Double,
        tokensPerSecond: Double, elapsedSeconds: Double, clippedShare: Double? = nil, cost: StepCost? = nil
    ) {
        self.step = step
        self.epoch = epoch
        self.tokens = tokens
        self.loss = loss
        self.gradientNorm = gradientNorm
        self.learningRate = learningRate
        self.tokensPerSecond = tokensPerSecond
        self.elapsedSeconds = elapsedSeconds
        self.clippedShare = clippedShare
        self.cost = cost
    }

    public var perplexity: Double { Elementary.exponential(loss) }
}

/// What the steps of this session since the last record cost rank 0.
public struct StepCost: Sendable, Equatable {
    /// Seconds by name of the phase; the sum is the time of the steps.
    public var phaseSeconds: [String: Double]
    /// Share of the time spent waiting for other ranks and exchanging gradients with them, 0 to 1.
    public var exchangeShare: Double
    /// Resident bytes now; nil if the kernel does not say.
    public var memory: Int?
    /// The largest number of resident bytes since the process started.
    public var peakMemory: Int?

    public init(phaseSeconds: [String: Double], exchangeShare: Double, memory: Int?, peakMemory: Int?) {
        self.phaseSeconds = phaseSeconds
        self.exchangeShare = exchangeShare
        self.memory = memory
        self.peakMemory = peakMemory
    }
}

/// One pass over the validation split.
public struct ValidationRecord: Sendable, Equatable {
    public var step: Int
    public var epoch: Int
    /// Tokens scored in this pass.
    public var tokens: Int
    /// Nats per token.
    public var loss: Double

    public init(step: Int, epoch: Int, tokens: Int, loss: Double) {
        self.step = step
        self.epoch = epoch
        self.tokens = tokens
        self.loss = loss
    }

    public var perplexity: Double { Elementary.exponential(loss) }
}

/// What the model wrote after a step.
public struct SampleRecord: Sendable, Equatable, Codable {
    public var step: Int
    public var epoch: Int
    public var text: String

    public init(step: Int, epoch: Int, text: String) {
        self.step = step
        self.epoch = epoch
        self.text = text
    }
}

/// The start of a session: which program trains which model on which data and machines.
public struct StartRecord: Sendable, Equatable, Codable {
    /// 0, or the step of the checkpoint that the session resumed from.
    public var step: Int
    /// UTC, ISO 8601.
    public var time: String
    /// lockstep's version.
    public var program: String
    public var ranks: Int
    /// Number of ranks by name of the host.
    public var hosts: [String: Int]
    public var threadsPerRank: Int
    /// The processor of rank 0's machine.
    public var processor: String
    /// Logical processors of rank 0's machine.
    public var cores: Int
    public var libraries: [String]
    public var parameters: Int
    /// Steps of the whole run.
    public var totalSteps: Int
    public var data: Data

    public struct Data: Sendable, Equatable, Codable {
        public var folder: String
        public var level: String
        public var vocabulary: Int
        public var trainingTokens: Int
        /// Nil if there is no validation part.
        public var validationTokens: Int?
        /// SHA-256 of the whole dataset.
        public var hash: String

        public init(
            folder: String, level: String, vocabulary: Int, trainingTokens: Int, validationTokens: Int?, hash: String
        ) {
            self.folder = folder
            self.level = level
            self.vocabulary = vocabulary
            self.trainingTokens = trainingTokens
            self.validationTokens = validationTokens
            self.hash = hash
        }
    }

    public init(
        step: Int, time: String, program: String, ranks: Int, hosts: [String: Int], threadsPerRank: Int,
        processor: String, cores: Int, libraries: [String], parameters: Int, totalSteps: Int, data: Data
    ) {
        self.step = step
        self.time = time
        self.program = program
        self.ranks = ranks
        self.hosts = hosts
        self.threadsPerRank = threadsPerRank
        self.processor = processor
        self.cores = cores
        self.libraries = libraries
        self.parameters = parameters
        self.totalSteps = totalSteps
        self.data = data
    }
}
