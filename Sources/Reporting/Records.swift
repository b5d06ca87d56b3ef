/// What all ranks together have done up to a step: one line of `metrics.jsonl`.
package struct TrainingRecord: Sendable, Equatable {
    /// Steps since the start of the run, across resumes.
    package var step: Int
    /// Counted from 1.
    package var epoch: Int
    /// Predictions trained since the start of the run: tokens, labels or rows of values.
    package var tokens: Int
    /// Mean since the last record, in the unit of `measure`.
    package var loss: Double
    package var measure: LossMeasure
    /// L2 norm of the whole gradient of this step, before clipping.
    package var gradientNorm: Double
    package var learningRate: Double
    /// Mean since the last record, all ranks together.
    package var tokensPerSecond: Double
    /// Time spent training, across resumes.
    package var elapsedSeconds: Double
    /// Share of the steps since the last record whose gradient was clipped, 0 to 1.
    package var clippedShare: Double?
    /// What the steps cost rank 0.
    package var cost: StepCost?

    package init(
        step: Int, epoch: Int, tokens: Int, loss: Double, measure: LossMeasure = .tokens, gradientNorm: Double, learningRate: Double,
        tokensPerSecond: Double, elapsedSeconds: Double, clippedShare: Double? = nil, cost: StepCost? = nil
    ) {
        self.step = step
        self.epoch = epoch
        self.tokens = tokens
        self.loss = loss
        self.measure = measure
        self.gradientNorm = gradientNorm
        self.learningRate = learningRate
        self.tokensPerSecond = tokensPerSecond
        self.elapsedSeconds = elapsedSeconds
        self.clippedShare = clippedShare
        self.cost = cost
    }

    /// Nil unless the loss is of tokens.
    package var perplexity: Double? { measure.perplexity(loss) }
    /// Of the mean squared error; nil unless the loss is of values.
    package var rootMeanSquare: Double? { measure.root(loss) }
}

/// What the steps of this session since the last record cost rank 0.
package struct StepCost: Sendable, Equatable {
    /// Seconds by name of the phase; the sum is the time of the steps.
    package var phaseSeconds: [String: Double]
    /// Share of the time spent waiting for other ranks and exchanging gradients with them, 0 to 1.
    package var exchangeShare: Double
    /// Resident bytes now; nil if the kernel does not say.
    package var memory: Int?
    /// The largest number of resident bytes since the process started.
    package var peakMemory: Int?

    package init(phaseSeconds: [String: Double], exchangeShare: Double, memory: Int?, peakMemory: Int?) {
        self.phaseSeconds = phaseSeconds
        self.exchangeShare = exchangeShare
        self.memory = memory
        self.peakMemory = peakMemory
    }
}

/// One pass over the validation split.
package struct ValidationRecord: Sendable, Equatable {
    package var step: Int
    package var epoch: Int
    /// What was predicted in this pass: tokens, labels or rows of values.
    package var tokens: Int
    /// In the unit of `measure`.
    package var loss: Double
    package var measure: LossMeasure
    /// The number of steps whose weights the model is the average of, 0 in the validation with which averaging begins; nil before.
    package var averagedSteps: Int?
    /// The share of right labels, 0 to 1; nil for a model that predicts none.
    package var accuracy: Double?

    package init(
        step: Int, epoch: Int, tokens: Int, loss: Double, measure: LossMeasure = .tokens, accuracy: Double? = nil,
        averagedSteps: Int? = nil
    ) {
        self.step = step
        self.epoch = epoch
        self.tokens = tokens
        self.loss = loss
        self.measure = measure
        self.averagedSteps = averagedSteps
        self.accuracy = accuracy
    }

    /// Nil unless the loss is of tokens.
    package var perplexity: Double? { measure.perplexity(loss) }
    /// Of the mean squared error; nil unless the loss is of values.
    package var rootMeanSquare: Double? { measure.root(loss) }
}

/// What the model wrote after a step.
package struct SampleRecord: Sendable, Equatable, Codable {
    package var step: Int
    package var epoch: Int
    package var text: String

    package init(step: Int, epoch: Int, text: String) {
        self.step = step
        self.epoch = epoch
        self.text = text
    }
}

/// The start of a session: which program trains which model on which data and machines.
package struct StartRecord: Sendable, Equatable, Codable {
    /// 0, or the step of the checkpoint that the session resumed from.
    package var step: Int
    /// UTC, ISO 8601.
    package var time: String
    /// lockstep's version.
    package var program: String
    package var ranks: Int
    /// Number of ranks by name of the host.
    package var hosts: [String: Int]
    package var threadsPerRank: Int
    /// The processor of rank 0's machine.
    package var processor: String
    /// Logical processors of rank 0's machine.
    package var cores: Int
    package var libraries: [String]
    package var parameters: Int
    /// Steps of the whole run.
    package var totalSteps: Int
    package var data: Data
    /// The options that gave the parameters initial values, each with its file; nil for none.
    package var startedFrom: [String]?
    /// The number of ranks that share hidden units; nil where each has streams of its own.
    package var teamSize: Int?
    /// Why these are the ranks of a machine, and not those of a last-level cache; nil if they are what the configuration says.
    package var teamNote: String?

    package struct Data: Sendable, Equatable, Codable {
        package var folder: String
        package var level: String
        package var vocabulary: Int
        package var trainingTokens: Int
        /// Nil if there is no validation part.
        package var validationTokens: Int?
        /// SHA-256 of the whole dataset.
        package var hash: String

        package init(
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

    package init(
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
