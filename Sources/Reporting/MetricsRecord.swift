/// One line of `metrics.jsonl`; its `kind` says which.
package enum MetricsRecord: Sendable, Equatable {
    case start(StartRecord)
    case training(TrainingRecord)
    case validation(ValidationRecord)
    case sample(SampleRecord)
    case gradientFlow(GradientFlowRecord)
    /// A kind that only a later version knows.
    case other

    private enum Kind: String, Codable { case start, train, validation, sample, gradientFlow = "gradient_flow" }
    fileprivate enum KindKey: String, CodingKey { case kind }
}

extension MetricsRecord: Codable {
    package init(from decoder: any Decoder) throws {
        let kind = try decoder.container(keyedBy: KindKey.self).decode(String.self, forKey: .kind)
        switch Kind(rawValue: kind) {
        case .start: self = .start(try StartRecord(from: decoder))
        case .train: self = .training(try TrainingRecord(from: decoder))
        case .validation: self = .validation(try ValidationRecord(from: decoder))
        case .sample: self = .sample(try SampleRecord(from: decoder))
        case .gradientFlow: self = .gradientFlow(try GradientFlowRecord(from: decoder))
        case nil: self = .other
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: KindKey.self)
        switch self {
        case .start(let record):
            try container.encode(Kind.start, forKey: .kind)
            try record.encode(to: encoder)
        case .training(let record):
            try container.encode(Kind.train, forKey: .kind)
            try record.encode(to: encoder)
        case .validation(let record):
            try container.encode(Kind.validation, forKey: .kind)
            try record.encode(to: encoder)
        case .sample(let record):
            try container.encode(Kind.sample, forKey: .kind)
            try record.encode(to: encoder)
        case .gradientFlow(let record):
            try container.encode(Kind.gradientFlow, forKey: .kind)
            try record.encode(to: encoder)
        case .other: break
        }
    }
}

extension TrainingRecord: Codable {
    private enum Key: String, CodingKey {
        case step, epoch, tokens, loss, perplexity
        case rootMeanSquare = "root_mean_squared_error"
        case gradientNorm = "gradient_norm"
        case learningRate = "learning_rate"
        case tokensPerSecond = "tokens_per_second"
        case elapsedSeconds = "elapsed_seconds"
        case clippedShare = "clipped_share"
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(step, forKey: .step)
        try container.encode(epoch, forKey: .epoch)
        try container.encode(tokens, forKey: .tokens)
        try container.encode(loss.orNull, forKey: .loss)
        if let perplexity { try container.encode(perplexity.orNull, forKey: .perplexity) }
        if let rootMeanSquare { try container.encode(rootMeanSquare.orNull, forKey: .rootMeanSquare) }
        try container.encode(gradientNorm.orNull, forKey: .gradientNorm)
        try container.encode(learningRate.orNull, forKey: .learningRate)
        try container.encode(tokensPerSecond.orNull, forKey: .tokensPerSecond)
        try container.encode(elapsedSeconds.orNull, forKey: .elapsedSeconds)
        try container.encodeIfPresent(clippedShare?.orNull, forKey: .clippedShare)
        try cost?.encode(to: encoder)
    }

    /// Null, which stands for a number that JSON cannot represent, is read as NaN. Perplexity and root follow from the loss.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        func number(_ key: Key) throws -> Double { try container.decode(Double?.self, forKey: key) ?? .nan }
        self.init(
            step: try container.decode(Int.self, forKey: .step), epoch: try container.decode(Int.self, forKey: .epoch),
            tokens: try container.decode(Int.self, forKey: .tokens), loss: try number(.loss),
            measure: .of(perplexity: container.contains(.perplexity), root: container.contains(.rootMeanSquare)),
            gradientNorm: try number(.gradientNorm), learningRate: try number(.learningRate),
            tokensPerSecond: try number(.tokensPerSecond), elapsedSeconds: try number(.elapsedSeconds),
            clippedShare: try container.decodeIfPresent(Double.self, forKey: .clippedShare),
            cost: try StepCost(ifPresentIn: decoder))
    }
}

extension StepCost: Encodable {
    private enum Key: String, CodingKey {
        case phaseSeconds = "phase_seconds"
        case exchangeShare = "exchange_share"
        case memory = "memory_bytes"
        case peakMemory = "peak_memory_bytes"
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(phaseSeconds, forKey: .phaseSeconds)
        try container.encode(exchangeShare, forKey: .exchangeShare)
        try container.encodeIfPresent(memory, forKey: .memory)
        try container.encodeIfPresent(peakMemory, forKey: .peakMemory)
    }

    /// Nil for a record of a version without this key.
    fileprivate init?(ifPresentIn decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        guard container.contains(.phaseSeconds) else { return nil }
        self.init(
            phaseSeconds: try container.decode([String: Double].self, forKey: .phaseSeconds),
            exchangeShare: try container.decode(Double.self, forKey: .exchangeShare),
            memory: try container.decodeIfPresent(Int.self, forKey: .memory),
            peakMemory: try container.decodeIfPresent(Int.self, forKey: .peakMemory))
    }
}

extension ValidationRecord: Codable {
    private enum Key: String, CodingKey {
        case step, epoch, tokens, loss, perplexity, accuracy
        case rootMeanSquare = "root_mean_squared_error"
        case averagedSteps = "averaged_steps"
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(step, forKey: .step)
        try container.encode(epoch, forKey: .epoch)
        try container.encode(tokens, forKey: .tokens)
        try container.encode(loss.orNull, forKey: .loss)
        if let perplexity { try container.encode(perplexity.orNull, forKey: .perplexity) }
        if let rootMeanSquare { try container.encode(rootMeanSquare.orNull, forKey: .rootMeanSquare) }
        try container.encodeIfPresent(accuracy, forKey: .accuracy)
        try container.encodeIfPresent(averagedSteps, forKey: .averagedSteps)
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        self.init(
            step: try container.decode(Int.self, forKey: .step), epoch: try container.decode(Int.self, forKey: .epoch),
            tokens: try container.decode(Int.self, forKey: .tokens),
            loss: try container.decode(Double?.self, forKey: .loss) ?? .nan,
            measure: .of(
                perplexity: container.contains(.perplexity) && !container.contains(.accuracy),
                root: container.contains(.rootMeanSquare)),
            accuracy: try container.decodeIfPresent(Double.self, forKey: .accuracy),
            averagedSteps: try container.decodeIfPresent(Int.self, forKey: .averagedSteps))
    }
}

// Not private: the compiler synthesises the coding in another file, and its debug builds then fail an assertion of LLVM.
extension StartRecord {
    enum CodingKeys: String, CodingKey {
        case step, time, program, ranks, hosts, processor, cores, libraries, parameters, data
        case threadsPerRank = "threads_per_rank"
        case totalSteps = "total_steps"
        case startedFrom = "started_from"
        case teamSize = "team_size"
        case teamNote = "team_note"
    }
}

extension StartRecord.Data {
    enum CodingKeys: String, CodingKey {
        case folder, level, vocabulary, hash
        case trainingTokens = "training_tokens"
        case validationTokens = "validation_tokens"
    }
}

extension LossMeasure {
    /// That of a record with these keys.
    fileprivate static func of(perplexity: Bool, root: Bool) -> LossMeasure { perplexity ? .tokens : root ? .values : .labels }
}

extension Double {
    /// JSON has no infinity and no NaN: the perplexity of a large loss overflows and becomes null, the loss stays.
    fileprivate var orNull: Double? { isFinite ? self : nil }
}
