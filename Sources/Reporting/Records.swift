import Glibc

/// What the ranks together did up to a step: one line of `metrics.jsonl`.
public struct TrainingRecord: Sendable, Equatable {
    /// Steps done since the start of the run, across resumes.
    public var step: Int
    /// The first is 1.
    public var epoch: Int
    /// Tokens trained since the start of the run.
    public var tokens: Int
    /// Nats per token, mean since the last record.
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

    public init(
        step: Int, epoch: Int, tokens: Int, loss: Double, gradientNorm: Double, learningRate: Double,
        tokensPerSecond: Double, elapsedSeconds: Double, clippedShare: Double? = nil
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
    }

    public var perplexity: Double { exp(loss) }
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

    public var perplexity: Double { exp(loss) }
}

extension TrainingRecord: Encodable {
    private enum Key: String, CodingKey {
        case kind, step, epoch, tokens, loss, perplexity
        case gradientNorm = "gradient_norm"
        case learningRate = "learning_rate"
        case tokensPerSecond = "tokens_per_second"
        case elapsedSeconds = "elapsed_seconds"
        case clippedShare = "clipped_share"
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode("train", forKey: .kind)
        try container.encode(step, forKey: .step)
        try container.encode(epoch, forKey: .epoch)
        try container.encode(tokens, forKey: .tokens)
        try container.encode(loss.orNull, forKey: .loss)
        try container.encode(perplexity.orNull, forKey: .perplexity)
        try container.encode(gradientNorm.orNull, forKey: .gradientNorm)
        try container.encode(learningRate.orNull, forKey: .learningRate)
        try container.encode(tokensPerSecond.orNull, forKey: .tokensPerSecond)
        try container.encode(elapsedSeconds.orNull, forKey: .elapsedSeconds)
        try container.encodeIfPresent(clippedShare?.orNull, forKey: .clippedShare)
    }
}

extension ValidationRecord: Encodable {
    private enum Key: String, CodingKey { case kind, step, epoch, tokens, loss, perplexity }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode("validation", forKey: .kind)
        try container.encode(step, forKey: .step)
        try container.encode(epoch, forKey: .epoch)
        try container.encode(tokens, forKey: .tokens)
        try container.encode(loss.orNull, forKey: .loss)
        try container.encode(perplexity.orNull, forKey: .perplexity)
    }
}

extension Double {
    /// JSON has no infinity and no NaN: the perplexity of a large loss overflows and becomes null, the loss stays.
    fileprivate var orNull: Double? { isFinite ? self : nil }
}
