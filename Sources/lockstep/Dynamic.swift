import Collectives
import Diagnostics
import Inference
import Reporting

/// Dynamic evaluation, for evaluate's certificate: its settings, and the text of which the gradients' usual size is known.
struct DynamicRecord: Encodable {
    let settings: DynamicSettings
    let statistics: DatasetPart

    private enum CodingKeys: CodingKey { case statistics }

    func encode(to encoder: any Encoder) throws {
        try settings.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(statistics, forKey: .statistics)
    }

    /// For people, on one line.
    var text: String {
        "rate \(settings.rate), decay \(settings.decay), epsilon \(settings.epsilon), every \(settings.unroll) tokens"
    }
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
        try UsageError.unlessMemory(
            for: "dynamic evaluation", DynamicPredictor.memory(network.configuration, settings), location: "--dynamic-unroll \(settings.unroll)",
            remedy: "lower --dynamic-unroll, or use a larger machine")
        let (text, part) = try DatasetPart.open(
            .train, of: data, for: [self], to: "show how large gradients are", remedy: "evaluate without --dynamic", communicator)
        let line = ShareLine("measuring gradients")
        let statistics = try {
            defer { line.finish() }
            return try GradientStatistics(network, text: text, unroll: settings.unroll) { line.update($0) }
        }()
        return learning(DynamicPredictor(network, settings, statistics), DynamicRecord(settings: settings, statistics: part))
    }
}
