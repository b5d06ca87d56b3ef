import Configuration
import Corpus
import Diagnostics
import Files
import FoundationEssentials
import Inference
import Reporting

/// What `inspect --gradient-flow` measures.
struct GradientFlowInspection: Encodable {
    let kind = "gradient_flow"
    let path: String
    let data: String
    let split: String
    /// The model's updates; nil for a file of weights.
    let step: Int?
    let meaning: String
    let flow: GradientFlow
    /// Where a copy was kept for `lockstep report`; nil if nowhere.
    let record: String?

    /// - Parameters:
    ///   - data: a dataset folder; nil for the data of the model.
    ///   - split: nil for the validation part, or without one the training part.
    ///   - lags: nil for the unroll length with which the model was trained.
    /// - Throws: `UsageError` for a model without states; what `OpenedModel`, `Dataset` and `GradientFlowProbe` throw.
    init(_ options: ModelOptions, data: String?, split: Split?, lags: Int?, positions: Int) throws {
        let model = try OpenedModel(options).predictingTokens()
        guard let network = model.predictor as? RecurrentPredictor, network.configuration.output == .next else {
            throw UsageError(
                "gradient flow is measured in networks that predict the next token", location: model.path,
                remedy: "give a run whose model.cell is a recurrent cell or window")
        }
        let dataset = try Dataset(folder: try data.map(Folder.withoutSlash) ?? model.dataFolder())
        try model.require(dataset)
        let part = split ?? (dataset.splits.contains(.valid) ? .valid : .train)
        try dataset.verifyChecksum(of: part)
        let text = try dataset.tokens(of: part)
        let probe = try GradientFlowProbe(
            network.configuration, parameters: network.parameters, text: text, lags: try lags ?? model.unroll(), positions: positions)
        flow = try probe.measure()
        path = model.path.legible
        self.data = dataset.folder.legible
        self.split = part.rawValue
        step = model.step
        meaning = flow.meaning
        record = GradientFlowInspection.keep(flow, of: options.checkpoint, model)
    }

    /// Keeps the numbers in the run folder, if that is what was inspected and can be written to.
    private static func keep(_ flow: GradientFlow, of given: String, _ model: OpenedModel) -> String? {
        let run = Folder.withoutSlash(given)
        guard let manifest = model.checkpoint?.manifest, Folder.isFolder("\(run)/checkpoints") else { return nil }
        let path = "\(run)/\(GradientFlowRecord.fileName)"
        do {
            let record = GradientFlowRecord(step: manifest.step, epoch: manifest.epoch + 1, flow: flow)
            try File.publish(String(decoding: JSONEncoder().encode(record), as: UTF8.self) + "\n", at: path)
            return path.legible
        } catch {
            Failure.say("note: not kept for lockstep report: \(error)")
            return nil
        }
    }

    // MARK: Text

    var text: String {
        let positions = flow.positions.first ?? 0
        let place = step.map { ", step \(Formatting.count($0))" } ?? ""
        var parts = [
            "Gradient flow of \(path)\(place)",
            "The norms of dE(t)/dh(t-k)\(flow.states.contains { $0.name == "c" } ? " and dE(t)/dc(t-k)" : ""): how much the loss at position t changes with a state k tokens before\nmedian and quartiles of \(Formatting.count(positions)) positions t of \(data), split \(split), with a loss of \(Formatting.fixed(flow.loss, decimals: 3)) nats",
            meaning,
        ]
        parts += Set(flow.states.map(\.layer)).sorted().map(layer)
        if let record { parts.append("kept in \(record); lockstep report draws it") }
        return parts.joined(separator: "\n\n")
    }

    private func layer(_ layer: Int) -> String {
        let states = flow.states.filter { $0.layer == layer }
        let head = ["k"] + states.flatMap { ["\($0.name) median", "25 %", "75 %"] }
        let rows = shownLags.map { lag in
            ["\(lag)"] + states.flatMap { state in [state.median, state.lowerQuartile, state.upperQuartile].map { number($0[lag]) } }
        }
        var lines = ["layer \(layer)", table([head] + rows, textColumns: [])]
        for state in states {
            guard let slope = state.slope else {
                lines.append("\(state.name): nothing is left one token back")
                continue
            }
            let life = state.halfLife.map {
                $0 > 0 ? "half-life \(Formatting.significant($0, digits: 3)) tokens" : "doubles every \(Formatting.significant(-$0, digits: 3)) tokens"
            }
            lines.append("\(state.name): slope \(Formatting.significant(slope, digits: 3)) a token\(life.map { ", \($0)" } ?? "")")
        }
        let weights = flow.recurrentWeights.filter { $0.layer == layer }.map { weights in
            "\(weights.gate.isEmpty ? "U" : "U of \(weights.gate)"): spectral radius \(Formatting.significant(weights.spectralRadius, digits: 4)), norm \(Formatting.significant(weights.norm, digits: 4))"
        }
        return (lines + weights).joined(separator: "\n")
    }

    /// Each of the first, then ever fewer, and the last.
    private var shownLags: [Int] {
        let lags = [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024].filter { $0 < flow.lags }
        return lags + [flow.lags]
    }

    private func number(_ value: Double?) -> String { value.map { Formatting.significant($0, digits: 3) } ?? "overflow" }
}

extension OpenedModel {
    /// The unroll length with which the model was trained; the default for a file of weights.
    /// - Throws: `ConfigurationError`.
    fileprivate func unroll() throws -> Int {
        guard let checkpoint else { return RunConfiguration().training.unroll }
        return try RunConfiguration.load(yaml: checkpoint.manifest.configuration, name: "\(checkpoint.folder)/manifest.json").training.unroll
    }
}
