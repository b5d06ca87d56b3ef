/// One key of the configuration: its place in the file and in `RunConfiguration`, and what it may hold.
struct Setting: Sendable {
    /// `training.clip.norm` is `["training", "clip", "norm"]`.
    let path: [String]
    /// What it may hold, for messages: "a whole number from 1 to 64".
    let expected: String
    /// Decides the shape of tensors, or which token is trained from which state: a run cannot go on with another value.
    let isStructural: Bool
    /// Text in quotes; anything else as plain scalar.
    let isFreeText: Bool

    let scalar: @Sendable (RunConfiguration) -> String
    let isValid: @Sendable (RunConfiguration) -> Bool
    /// False, and no change, when the scalar is of another type or out of range.
    let assign: @Sendable (_ scalar: String, _ isPlain: Bool, inout RunConfiguration) -> Bool
    let encode: @Sendable (RunConfiguration, inout KeyedEncodingContainer<SettingKey>) throws -> Void
    let decode: @Sendable (KeyedDecodingContainer<SettingKey>, inout RunConfiguration) throws -> Void

    init<Value>(
        _ dotted: String, _ member: WritableKeyPath<RunConfiguration, Value> & Sendable, _ domain: Domain<Value>,
        structural: Bool = false
    ) {
        path = dotted.split(separator: ".").map(String.init)
        expected = domain.description
        isStructural = structural
        isFreeText = Value.self == String.self
        let key = SettingKey(path.last!)

        scalar = { $0[keyPath: member].scalar }
        isValid = { domain.contains($0[keyPath: member]) }
        assign = { scalar, isPlain, configuration in
            guard let value = Value(scalar: scalar, isPlain: isPlain), domain.contains(value) else { return false }
            configuration[keyPath: member] = value
            return true
        }
        encode = { try $1.encode($0[keyPath: member], forKey: key) }
        decode = { $1[keyPath: member] = try $0.decode(Value.self, forKey: key) }
    }

    var dotted: String { path.joined(separator: ".") }
}

extension RunConfiguration {
    /// Every key, in the order of the file. The upper bounds keep products of sizes (`T * S * 4H * L` floats in
    /// bytes) within 64 bits.
    static let settings: [Setting] = [
        Setting("data.path", \.data.path, .path),

        Setting("model.cell", \.model.cell, .any, structural: true),
        Setting("model.activation", \.model.activation, .any, structural: true),
        Setting("model.layers", \.model.layers, .from(1, to: 64), structural: true),
        Setting("model.embedding", \.model.embedding, .from(1, to: 65536), structural: true),
        Setting("model.hidden", \.model.hidden, .from(1, to: 65536), structural: true),
        Setting("model.dropout", \.model.dropout, .belowOne),
        Setting("model.tied", \.model.tied, .any, structural: true),
        Setting("model.initial_range", \.model.initialRange, .positive),
        Setting("model.initial_embedding_range", \.model.initialEmbeddingRange, .nullOr(.positive)),

        Setting("training.streams", \.training.streams, .from(1, to: 65536), structural: true),
        Setting("training.unroll", \.training.unroll, .from(1, to: 65536)),
        Setting("training.random_unroll", \.training.randomUnroll, .any),
        Setting("training.epochs", \.training.epochs, .from(1, to: 1_000_000)),
        Setting("training.steps", \.training.steps, .nullOr(.from(1, to: 1_000_000_000_000))),
        Setting("training.loss", \.training.loss, .any),
        Setting("training.clip.norm", \.training.clip.norm, .nullOr(.positive)),
        Setting("training.clip.value", \.training.clip.value, .nullOr(.positive)),
        Setting("training.optimizer.name", \.training.optimizer.name, .any, structural: true),
        Setting("training.optimizer.learning_rate", \.training.optimizer.learningRate, .positive),
        Setting("training.optimizer.momentum", \.training.optimizer.momentum, .belowOne),
        Setting("training.optimizer.nesterov", \.training.optimizer.nesterov, .any),
        Setting("training.optimizer.beta1", \.training.optimizer.beta1, .belowOne),
        Setting("training.optimizer.beta2", \.training.optimizer.beta2, .belowOne),
        Setting("training.optimizer.epsilon", \.training.optimizer.epsilon, .positive),
        Setting("training.optimizer.weight_decay", \.training.optimizer.weightDecay, .notNegative),
        Setting("training.schedule.name", \.training.schedule.name, .any),
        Setting("training.schedule.factor", \.training.schedule.factor, .upToOne),
        Setting("training.schedule.after_epoch", \.training.schedule.afterEpoch, .from(0, to: 1_000_000)),
        Setting("training.schedule.patience", \.training.schedule.patience, .from(0, to: 1_000_000)),
        Setting("training.schedule.warmup_steps", \.training.schedule.warmupSteps, .from(0, to: 1_000_000_000_000)),
        Setting("training.schedule.minimum", \.training.schedule.minimum, .notNegative),
        Setting("training.seed", \.training.seed, .any, structural: true),
        Setting("training.verify_every_steps", \.training.verifyEverySteps, .from(0, to: 1_000_000_000_000)),

        Setting("checkpoint.every_steps", \.checkpoint.everySteps, .from(0, to: 1_000_000_000_000)),
        Setting("checkpoint.every_minutes", \.checkpoint.everyMinutes, .notNegative),
        Setting("checkpoint.keep", \.checkpoint.keep, .from(1, to: 1_000_000)),

        Setting("validation.every_steps", \.validation.everySteps, .from(0, to: 1_000_000_000_000)),
        Setting("validation.every_epoch", \.validation.everyEpoch, .any),
        Setting("validation.streams", \.validation.streams, .from(1, to: 65536)),

        Setting("metrics.every_steps", \.metrics.everySteps, .from(1, to: 1_000_000_000_000)),
        Setting("metrics.tensorboard", \.metrics.tensorboard, .any),
        Setting("metrics.sample_length", \.metrics.sampleLength, .from(0, to: 100_000)),

        Setting("watchdog.seconds", \.watchdog.seconds, .notNegative),
    ]
}

/// A name within one level of the file.
struct SettingKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(_ name: String) { stringValue = name }
    init?(stringValue: String) { self.init(stringValue) }
    init?(intValue: Int) { nil }
}
