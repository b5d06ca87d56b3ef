import Collectives
import Corpus
import Diagnostics
import Files
import Inference
import Recurrent
import Reporting

/// `evaluate` on data with targets of their own: labels, or continuations of conditions.
struct SequenceEvaluation {
    private let sequences: SequenceStore
    private let dataset: Dataset
    private let split: Split
    private let model: OpenedModel
    private let network: RecurrentPredictor

    /// Collective. Nil for what is evaluated as one text, from left to right.
    /// - Throws: `CollectiveFailure`; `UsageError` for what only texts have.
    init?(_ command: EvaluateCommand, _ model: OpenedModel, _ communicator: any Communicator) throws {
        let found = try communicator.together("opening the dataset") { () -> (Dataset, SequenceStore)? in
            let network = model.predictor as? RecurrentPredictor
            let predictsTokens = network?.predictsTokens ?? true
            if command.text != nil, predictsTokens { return nil }
            let texts = [
                ("--text", command.text != nil), ("--mix", !command.mixture.paths.isEmpty), ("--cache", command.cache.positions != nil),
                ("--dynamic", command.dynamic.isDynamic), ("--streams", command.streams != 1),
            ]
            func refuse(_ reason: String) throws {
                guard let (option, _) = texts.first(where: \.1) else { return }
                throw UsageError(
                    "\(option) is for texts read from left to right, and \(reason)", location: option,
                    remedy: option == "--text"
                        ? "prepare it with lockstep prepare \(network?.configuration.values == nil ? "--format and --vocabulary" : "--values"), and name the folder with --data"
                        : "leave it out")
            }
            if !predictsTokens { try refuse("this model predicts the \(model.labels == nil ? "values" : "labels") of sequences") }
            // A file of weights need not have data of its own.
            guard let folder = try command.data.map(Folder.withoutSlash) ?? (predictsTokens ? try? model.dataFolder() : model.dataFolder()) else { return nil }
            let dataset = try Dataset(folder: folder)
            guard let task = dataset.manifest.task else {
                if predictsTokens { return nil }
                throw UsageError(
                    "the dataset has no \(model.labels == nil ? "values" : "labels")", location: dataset.folder,
                    expected: "data made with lockstep prepare \(model.labels == nil ? "--values" : "--format columns or labelled")",
                    found: "a text", remedy: "name other data with --data")
            }
            try model.require(dataset)
            try dataset.verifyChecksum(of: command.split)
            if let network, network.configuration.values != dataset.manifest.values?.inputs
                || (network.configuration.output == .values(dataset.manifest.values?.targets ?? 0)) != (task == .values)
            {
                let record = dataset.manifest.values
                throw UsageError(
                    "the dataset's numbers are not such as the model reads and predicts", location: dataset.folder,
                    expected: "\(network.configuration.values.map { "\($0) inputs" } ?? "tokens")\(model.labels == nil && !predictsTokens ? " and \(network.configuration.outputs) targets" : "")",
                    found: record.map { "\($0.inputs) inputs and \($0.targets.map { "\($0) targets" } ?? "labels")" } ?? "tokens",
                    remedy: "name the data that the model was trained on, or others of the same shape, with --data")
            }
            if task == .values { return (dataset, try SequenceEvaluation.sequences(dataset, command.split, framedBy: nil)) }
            if let labels = model.labels {
                let isTagger = model.labeller?.network.configuration.output.areTags == true
                guard task == (isTagger ? .tags : .label), dataset.labels?.names == labels else {
                    throw UsageError(
                        "the dataset's labels are not the model's", location: dataset.folder,
                        expected: "\(labels.count) labels of \(isTagger ? "tokens" : "sequences"), as the model has", found: "\(dataset.labels?.count ?? 0) of \(task == .tags ? "tokens" : "sequences")",
                        remedy: "prepare the data with the model's: lockstep prepare --format \(isTagger ? "columns" : "labelled") --vocabulary \(model.path.shellWord)")
                }
                return (dataset, try SequenceEvaluation.sequences(dataset, command.split, framedBy: nil))
            }
            let resets = (model.predictor as? RecurrentPredictor)?.configuration.lineEnd?.rule == .reset
            guard task == .continuation || resets else { return nil }
            try refuse("the dataset has sequences that each start from the zero state")
            guard model.predictor is RecurrentPredictor else {
                throw UsageError(
                    "an n-gram model cannot be evaluated on continuations", location: model.path,
                    remedy: "give a neural network, or name a text with --data or --text")
            }
            return (dataset, try SequenceEvaluation.sequences(dataset, command.split, framedBy: task == .continuation ? nil : model.vocabulary.lineEnd))
        }
        guard let (dataset, sequences) = found else { return nil }
        guard let network = model.predictor as? RecurrentPredictor else { return nil }
        (self.dataset, self.sequences, split, self.model, self.network) = (dataset, sequences, command.split, model, network)
        try communicator.agree(on: [("the data's SHA-256", dataset.hash)], kind: .data)
    }

    private static func sequences(_ dataset: Dataset, _ split: Split, framedBy lineEnd: Int32?) throws -> SequenceStore {
        _ = try dataset.tokens(of: split)
        return try dataset.sequences(of: split, framedBy: lineEnd)!
    }

    /// Collective. Evaluates, and prints the result on rank 0.
    /// - Throws: `OutputNotFinite`, `KernelError`, transport errors.
    func run(json: Bool, _ communicator: any Communicator) throws {
        let isFirst = communicator.rank == 0
        let evaluator = try communicator.together("preparing the evaluation") {
            try SequenceEvaluator(network, sequences: sequences, communicator: communicator)
        }
        var scores = model.labels.map { LabelScores($0, areTags: network.configuration.output.areTags) }
        let line = isFirst ? ShareLine("evaluating") : nil
        let evaluation = try {
            defer { line?.finish() }
            return try evaluator.run(progress: { line?.update($0) }) { predictions in
                scores?.add(actual: predictions.map { Int($0.target) }, predicted: predictions.map { Int($0.predicted) })
            }
        }()
        guard let evaluation else { return }
        guard evaluation.total.isFinite else { throw OutputNotFinite() }
        let total = try scores?.summed(communicator)
        guard isFirst else { return }
        let report = SequenceReport(evaluation, total, model: model, dataset: dataset, split: split)
        print(json ? try JSONText.page(report) : report.text)
    }
}
