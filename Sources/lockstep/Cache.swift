import Collectives
import Diagnostics
import Inference
import Reporting

extension OpenedModel {
    /// Where `--cache-tune` looks for theta. For each, the weight that suits the validation part best is computed.
    static let thetas = [0, 0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1, 1.5, 2]

    /// Collective. The network with a cache around it; the model itself without `--cache`.
    /// - Parameters:
    ///   - streams: texts that are read side by side.
    ///   - tuning: find theta and weight, on the validation part of `data`; nil: of what the model was trained on.
    /// - Throws: `UsageError`, `CollectiveFailure`, those of `PartLosses`.
    func cached(
        _ options: CacheOptions, streams: Int, tuning: Bool = false, data: String? = nil, _ communicator: any Communicator = SingleRank()
    ) throws -> OpenedModel {
        guard var settings = try options.settings() else {
            if tuning { throw UsageError("--cache-tune without a cache", location: "--cache-tune", remedy: "say how many positions it has, as in --cache 2000") }
            return self
        }
        guard let network = predictor as? any HiddenStatePredictor else {
            throw UsageError(
                "an n-gram model has no hidden vectors that a cache could compare", location: path,
                remedy: "name a network with --checkpoint, and the n-gram model with --mix")
        }
        let width = max(streams, tuning ? Evaluator.width(streams: fittingStreams, ranks: communicator.size) : 1)
        try communicator.together("checking the memory") {
            let needed = CachePredictor.memory(
                positions: settings.positions, hidden: network.hiddenSize, vocabulary: network.vocabularySize, streams: width,
                steps: network.chunkLength)
            try UsageError.unlessMemory(
                for: "the cache", needed, found: " for \(width) streams", location: "--cache \(settings.positions)",
                remedy: "lower --cache, or --streams of evaluate")
        }
        let cache = CachePredictor(network, settings)
        var fittedOn: DatasetPart?
        if tuning {
            (settings, fittedOn) = try tune(cache, settings, data: data, communicator)
            cache.thetas = [settings.theta]
            cache.weight = settings.weight
            if communicator.rank == 0 {
                Failure.say("note: what suits \(fittedOn!.data) best is \(settings.options)")
            }
        }
        return cached(cache, settings, fittedOn: fittedOn)
    }

    private func tune(
        _ cache: CachePredictor, _ given: CacheSettings, data: String?, _ communicator: any Communicator
    ) throws -> (CacheSettings, DatasetPart) {
        let (text, dataset) = try DatasetPart.open(
            .valid, of: data, for: [self], to: "tune the cache", remedy: "give --cache-theta and --cache-weight instead of --cache-tune", communicator)
        cache.thetas = OpenedModel.thetas
        let line = communicator.rank == 0 ? ShareLine("tuning the cache") : nil
        let losses = try {
            defer { line?.finish() }
            return try PartLosses(of: cache, text: text, streams: fittingStreams, communicator: communicator) { line?.update($0) }
        }()
        let results = try OpenedModel.thetas.indices.map { try losses.bestWeights(of: [0, 1 + $0]) }
        let best = results.indices.min { results[$0].nats < results[$1].nats }!
        // Digits that a command line can repeat.
        let weight = min(max((results[best].weights[1] * 1e4).rounded() / 1e4, 1e-4), 1 - 1e-4)
        return (CacheSettings(positions: given.positions, theta: OpenedModel.thetas[best], weight: weight), dataset)
    }
}

extension CacheSettings {
    /// As a command line has them.
    var options: String { "--cache \(positions) --cache-theta \(theta) --cache-weight \(weight)" }
}
