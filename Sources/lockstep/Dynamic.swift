import Collectives
import Diagnostics
import Inference
import Platform
import Reporting

/// Dynamic evaluation, for evaluate's certificate.
struct DynamicRecord: Encodable {
    let rate: Double
    let decay: Double
    let epsilon: Double
    let unroll: Int
    /// The text of which the gradients' usual size is known.
    let statistics: DatasetPart

    /// For people, on one line.
    var text: String { "rate \(rate), decay \(decay), epsilon \(epsilon), every \(unroll) tokens" }
}

extension OpenedModel {
    /// The network as it keeps learning from the text; the model itself without `--dynamic`.
    /// - Parameters:
    ///   - streams: those of the evaluation, which must be one.
    ///   - data: the dataset whose training part shows how large gradients are; nil for the one that the model was trained on.
    /// - Throws: `UsageError`, `CollectiveFailure`, those of `GradientStatistics`.
    func learning(_ options: DynamicOptions, streams: Int, data: String?, _ communicator: any Communicator) throws -> OpenedModel {
        guard let settings = try options.settings() else { return self }
        guard let network = predictor as? RecurrentPredictor else {
            throw UsageError(
                "an n-gram model has no gradient to learn from", location: path,
                remedy: "name a network with --checkpoint, and the n-gram model with --mix")
        }
        let reason = "each update of dynamic evaluation changes the weights for what comes next, so it reads one text from left to right"
        guard streams == 1 else { throw UsageError(reason, location: "--streams", expected: "1", found: "\(streams)", remedy: "leave --streams out") }
        guard communicator.size == 1 else {
            throw UsageError(reason, location: "--dynamic", expected: "one rank", found: "\(communicator.size)", remedy: "start it without a launcher")
        }
        try checkMemory(network, settings)
        let (text, part) = try DatasetPart.open(
            .train, of: data, for: [self], to: "show how large gradients are", remedy: "evaluate without --dynamic", communicator)
        let line = ShareLine("measuring gradients")
        let statistics = try {
            defer { line.finish() }
            return try GradientStatistics(network, text: text, unroll: settings.unroll) { line.update($0) }
        }()
        return learning(
            DynamicPredictor(network, settings, statistics),
            DynamicRecord(
                rate: settings.rate, decay: settings.decay, epsilon: settings.epsilon, unroll: settings.unroll, statistics: part))
    }

    private func checkMemory(_ network: RecurrentPredictor, _ settings: DynamicSettings) throws {
        let machine = Machine.this.memory.usable
        let needed = DynamicPredictor.memory(network.configuration, settings)
        if let needed, machine == 0 || needed <= machine { return }
        throw UsageError(
            "dynamic evaluation needs more memory than this machine has", location: "--dynamic-unroll \(settings.unroll)",
            expected: "at most \(Formatting.bytes(machine))", found: needed.map(Formatting.bytes), remedy: "lower --dynamic-unroll, or use a larger machine")
    }
}
