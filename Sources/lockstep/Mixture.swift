import Collectives
import Corpus
import Diagnostics
import Inference
import Reporting

/// A model of a mixture, for evaluate's certificate.
struct MixtureMember: Encodable {
    let checkpoint: String
    /// Null for a file.
    let step: Int?
    let modelSha256: String
    let weight: Double

    init(_ model: OpenedModel, weight: Double) {
        checkpoint = model.path.legible
        step = model.step
        modelSha256 = model.modelHash
        self.weight = weight
    }
}

extension OpenedModel {
    /// Collective. The model with those of `--mix` mixed in; the model itself if there are none.
    /// - Parameters:
    ///   - data: the dataset for auto; nil for one that a model was trained on.
    /// - Throws: `UsageError`, `OtherVocabulary`, `OtherSize`, `CollectiveFailure`, those of opening a model and of `PartLosses`.
    func mixed(
        _ options: MixtureOptions, _ source: ModelOptions, data: String? = nil, _ communicator: any Communicator
    ) throws -> OpenedModel {
        let weights = try options.weights()
        guard !options.paths.isEmpty else { return self }
        let isFirst = communicator.rank == 0
        let others = try communicator.together("opening the models of --mix") {
            try open(options.paths, source, announcing: isFirst)
        }
        try communicator.agree(on: options.identity + others.flatMap(\.identity), kind: .data)
        let mixture = MixturePredictor([predictor] + others.map(\.predictor))
        if let weights { return mixed(with: others, as: mixture, weights: [1 - weights.reduce(0, +)] + weights) }
        let (text, dataset) = try DatasetPart.open(
            .valid, of: data, for: [self] + others, to: "find the weights", remedy: "give the weight of each --mix model, as in --weight 0.5", communicator)
        let line = isFirst ? ShareLine("finding the weights") : nil
        let losses = try {
            defer { line?.finish() }
            return try PartLosses(of: mixture, text: text, streams: fittingStreams, communicator: communicator) { line?.update($0) }
        }()
        // Digits that a command line can repeat.
        let own = try losses.bestWeights().weights.dropFirst().map { ($0 * 1e6).rounded(.down) / 1e6 }
        let result = mixed(with: others, as: mixture, weights: [max(0, 1 - own.reduce(0, +))] + own, fittedOn: dataset)
        if isFirst {
            let text = result.mixture.map { "\(Formatting.fixed($0.weight, decimals: 6)) of \($0.checkpoint)" }.joined(separator: " and ")
            let options = own.map { "--weight \(Formatting.fixed($0, decimals: 6))" }.joined(separator: " ")
            let canRepeat = result.mixture.allSatisfy { $0.weight > 0 }
            Failure.say("note: what suits \(dataset.data) best is \(text)\(canRepeat ? "; \(options) saves this search" : "")")
        }
        return result
    }

    /// The models of `--mix`.
    private func open(_ paths: [String], _ source: ModelOptions, announcing: Bool) throws -> [OpenedModel] {
        var models = [self]
        for path in paths {
            let other = try OpenedModel(path, source, like: vocabulary, announcing: announcing).predictingTokens()
            if let same = models.first(where: { $0.modelHash == other.modelHash }) {
                throw UsageError(
                    "the mixture has this model twice", location: "--mix \(path)", found: same.path,
                    remedy: "leave one out: a mixture of a model with itself is that model")
            }
            try require(other)
            models.append(other)
        }
        return Array(models.dropFirst())
    }

    /// Ids must mean the same tokens.
    private func require(_ other: OpenedModel) throws {
        let (own, its) = (vocabulary, other.vocabulary)
        func text(_ vocabulary: Vocabulary, _ id: Int) -> String {
            id < vocabulary.count ? "'\(String(decoding: vocabulary.bytes(of: id), as: UTF8.self))'" : "missing"
        }
        func description(_ vocabulary: Vocabulary, _ id: Int) -> String {
            "\(vocabulary.count) tokens of level \(vocabulary.level.rawValue), of which number \(id) is \(text(vocabulary, id))"
        }
        // The pieces of a list of tokens may be another model's words.
        let different = (0..<max(own.count, its.count)).first { text(own, $0) != text(its, $0) }
        guard different != nil || own.level.isSpaced != its.level.isSpaced else { return }
        throw OtherVocabulary(
            file: other.path, expected: description(own, different ?? 0), found: description(its, different ?? 0),
            what: "the vocabulary is not that of \(path)", remedy: "mix models that were trained on one dataset")
    }
}
