import Recurrent

/// What a model predicts.
package enum OutputKind: String, Sendable, CaseIterable {
    case next, tags
    case label = "class"
    case values
}

/// What a batch is made of.
package enum Batching: String, Sendable, CaseIterable {
    /// Chunks of long pieces of the text.
    case streams
    /// Whole sequences.
    case sentences
}

/// What decides which model of a run is the best.
package enum BestModel: String, Sendable, CaseIterable { case loss, accuracy }

extension RunConfiguration {
    /// The relations between settings of whole sequences and of labels.
    /// - Throws: `ConfigurationError.contradiction`.
    func validateSequences() throws {
        func refuse(_ key: String, _ expected: String, _ found: String) -> ConfigurationError {
            .contradiction(key, expected: expected, found: found)
        }
        let isLabelling = model.output != .next
        if isLabelling, model.kind == .ngram { throw refuse("model.output", "next with model.cell ngram", model.output.scalar) }
        if isLabelling, training.batching != .sentences {
            throw refuse("training.batching", "sentences with model.output \(model.output.scalar)", training.batching.scalar)
        }
        if model.pooling != .last, model.output != .label {
            throw refuse("model.pooling", "last, or model.output class", "\(model.pooling.scalar) with \(model.output.scalar)")
        }
        if isLabelling, model.tied {
            throw refuse("model.tied", "false with model.output \(model.output.scalar), which has weights for labels and not for tokens", "true")
        }
        if isLabelling, model.softmax.name != .full {
            throw refuse("model.softmax.name", "full with model.output \(model.output.scalar)", model.softmax.name.scalar)
        }
        if isLabelling, metrics.gradientFlowEverySteps > 0 {
            throw refuse("metrics.gradient_flow_every_steps", "0 with model.output \(model.output.scalar)", metrics.gradientFlowEverySteps.scalar)
        }
        if validation.best == .accuracy, !isLabelling || model.output == .values {
            throw refuse("validation.best", "loss, or model.output tags or class", "accuracy with \(model.output.scalar)")
        }
        guard training.batching == .sentences, model.kind != .ngram else { return }
        if training.randomUnroll { throw refuse("training.random_unroll", "false with training.batching sentences, which are read whole", "true") }
        if training.lineEnd == .cut {
            throw refuse("training.line_end", "carry or reset with training.batching sentences, each of which starts from the zero state", "cut")
        }
        for (key, penalty) in [("activation", training.activationPenalty), ("slowness", training.slownessPenalty)] where penalty != 0 {
            throw refuse("training.\(key)_penalty", "0 with training.batching sentences", penalty.scalar)
        }
    }
}
