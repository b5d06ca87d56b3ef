import Diagnostics
import Recurrent

extension RunConfiguration {
    /// Checks the range of each value, then the relations between values.
    /// - Throws: `ConfigurationError.wrongValue` or `.contradiction` for the first problem, in the order of the file.
    package func validate() throws {
        for setting in Self.settings where !setting.isValid(self) {
            throw ConfigurationError.wrongValue(
                setting.dotted, expected: setting.expected, found: setting.scalar(self), nil)
        }
        if model.activation != .tanh, !model.cell.choosesActivation {
            throw ConfigurationError.contradiction(
                "model.activation", expected: "tanh, or model.cell elman or window",
                found: "\(model.activation.scalar) with \(model.cell.scalar)")
        }
        if model.order != RunConfiguration().model.order, model.kind != .ngram {
            throw ConfigurationError.contradiction(
                "model.order", expected: "\(RunConfiguration().model.order), or model.cell ngram",
                found: "\(model.order) with \(model.kind.scalar)")
        }
        if model.gates != Set(Gate.allCases), model.cell != .lstm {
            throw ConfigurationError.contradiction(
                "model.gates", expected: "\(Set(Gate.allCases).scalar), or model.cell lstm",
                found: "\(model.gates.scalar) with \(model.cell.scalar)")
        }
        if model.peepholes != .none, model.cell != .lstm {
            throw ConfigurationError.contradiction(
                "model.peepholes", expected: "none, or model.cell lstm",
                found: "\(model.peepholes.scalar) with \(model.cell.scalar)")
        }
        if (model.window != nil) != (model.cell == .window) {
            throw ConfigurationError.contradiction(
                "model.window", expected: model.cell == .window ? "a number of inputs for model.cell window" : "null, or model.cell window",
                found: "\(model.window.scalar) with \(model.cell.scalar)")
        }
        if model.weightDrop > 0, model.cell == .window {
            throw ConfigurationError.contradiction(
                "model.weight_drop", expected: "0 with model.cell window, which has no recurrent weights to drop",
                found: model.weightDrop.scalar)
        }
        if model.normalization != .none, model.gates != Set(Gate.allCases) || model.peepholes != .none {
            throw ConfigurationError.contradiction(
                "model.normalization", expected: "none, or an LSTM with all gates and no peepholes",
                found: "\(model.normalization.scalar) with model.gates \(model.gates.scalar), model.peepholes \(model.peepholes.scalar)")
        }
        guard let sizes = model.hidden.sizes(layers: model.layers) else {
            throw ConfigurationError.contradiction(
                "model.hidden", expected: "one number, or one for each of model.layers \(model.layers)", found: model.hidden.scalar)
        }
        let directions = model.bidirectional ? 2 : 1
        if model.connections.needsEqualWidths, sizes.contains(where: { directions * $0 != model.embedding }) {
            throw ConfigurationError.contradiction(
                "model.connections", expected: "model.embedding equal to \(model.bidirectional ? "twice " : "")every model.hidden for \(model.connections.scalar)",
                found: "\(model.embedding) and \(model.hidden.scalar)")
        }
        if model.bidirectional, model.output == .next {
            throw ConfigurationError.contradiction(
                "model.bidirectional", expected: "false in a model that predicts the next token: a layer that reads from the end would see it",
                found: "true")
        }
        if model.tied, model.freezeEmbedding {
            throw ConfigurationError.contradiction(
                "model.freeze_embedding", expected: "false with model.tied, where the embedding is the output layer's weights too",
                found: model.freezeEmbedding.scalar)
        }
        if model.tied, model.connections == .dense {
            throw ConfigurationError.contradiction(
                "model.tied", expected: "false with model.connections dense, where the output layer reads more than one layer",
                found: "true")
        }
        if model.tied, model.embedding != sizes.last {
            throw ConfigurationError.contradiction(
                "model.tied", expected: "model.embedding equal to \(sizes.count > 1 && Set(sizes).count > 1 ? "the last of " : "")model.hidden",
                found: "\(model.embedding) and \(model.hidden.scalar)")
        }
        try validateSequences()
        try validateSoftmax(width: model.connections == .dense ? sizes.reduce(model.embedding) { $0 + directions * $1 } : directions * sizes.last!)
        if let norm = training.clip.norm, let value = training.clip.value {
            throw ConfigurationError.contradiction(
                "training.clip", expected: "norm or value", found: "both norm \(norm.scalar) and value \(value.scalar)")
        }
        if let shards = training.reproducibleShards, training.streams % shards != 0 {
            throw ConfigurationError.contradiction(
                "training.reproducible_shards",
                expected: "a divisor of training.streams \(training.streams): \(divisors(of: training.streams))",
                found: shards.scalar)
        }
        if training.optimizer.nesterov, training.optimizer.name != .momentum {
            throw ConfigurationError.contradiction(
                "training.optimizer.nesterov", expected: "training.optimizer.name momentum",
                found: training.optimizer.name.scalar)
        }
        if training.schedule.warmupSteps > 0, training.schedule.name != .cosine {
            throw ConfigurationError.contradiction(
                "training.schedule.warmup_steps", expected: "training.schedule.name cosine",
                found: training.schedule.name.scalar)
        }
        if training.schedule.minimum > training.optimizer.learningRate {
            throw ConfigurationError.contradiction(
                "training.schedule.minimum",
                expected: "at most the learning rate \(training.optimizer.learningRate.scalar)",
                found: training.schedule.minimum.scalar)
        }
        if training.optimizer.name.averages, !validation.everyEpoch, validation.everySteps == 0 {
            throw ConfigurationError.contradiction(
                "training.optimizer.name", expected: "validation.every_epoch or validation.every_steps for nt_asgd",
                found: "no validation at all")
        }
        if training.schedule.name == .plateau, !validation.everyEpoch, validation.everySteps == 0 {
            throw ConfigurationError.contradiction(
                "training.schedule.name", expected: "validation.every_epoch or validation.every_steps for plateau",
                found: "no validation at all")
        }
    }
    /// - Parameter width: of what the output layer reads.
    private func validateSoftmax(width: Int) throws {
        let (softmax, defaults) = (model.softmax, Softmax())
        let ofOne: [(String, SoftmaxName, String, String)] = [
            ("cutoffs", .adaptive, softmax.cutoffs.scalar, defaults.cutoffs.scalar),
            ("divisor", .adaptive, softmax.divisor.scalar, defaults.divisor.scalar),
            ("loss", .sampled, softmax.loss.scalar, defaults.loss.scalar),
            ("samples", .sampled, softmax.samples.scalar, defaults.samples.scalar),
            ("power", .sampled, softmax.power.scalar, defaults.power.scalar),
        ]
        for (key, name, found, usual) in ofOne where found != usual && softmax.name != name {
            throw ConfigurationError.contradiction(
                "model.softmax.\(key)", expected: "\(usual), or model.softmax.name \(name.scalar)",
                found: "\(found) with \(softmax.name.scalar)")
        }
        guard softmax.name == .adaptive else { return }
        if model.tied {
            throw ConfigurationError.contradiction(
                "model.tied", expected: "false with model.softmax.name adaptive, whose tails are narrower than the embedding", found: "true")
        }
        let tails = if case .each(let ids) = softmax.cutoffs { ids.count } else { 1 }
        if AdaptiveSoftmax.projections(width: width, divisor: softmax.divisor, tails: tails).last! < 1 {
            throw ConfigurationError.contradiction(
                "model.softmax.divisor", expected: "a number of which the power \(tails) is at most \(width), the width of what the output layer reads: or the last tail has no values",
                found: "\(softmax.divisor.scalar) for \(tails) \(tails == 1 ? "tail" : "tails")")
        }
    }
}
