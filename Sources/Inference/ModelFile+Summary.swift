import Checkpoints
import Recurrent
import Reporting

extension ModelFile {
    /// The model of a checkpoint or of a file of weights that describes itself.
    /// - Parameters:
    ///   - file: holds the weights.
    ///   - place: where the description is, for errors.
    /// - Throws: `ModelFileError`, `SafetensorsError`.
    package static func configuration(_ summary: ModelSummary, of file: SafetensorsFile, place: String) throws -> ModelConfiguration {
        guard let cell = Cell(rawValue: summary.cell) else {
            throw ModelFileError.unknown(
                what: "cell", file: place, found: summary.cell, known: Cell.allCases.map(\.rawValue))
        }
        guard let activation = Activation(rawValue: summary.activation) else {
            throw ModelFileError.unknown(
                what: "activation", file: place, found: summary.activation, known: Activation.allCases.map(\.rawValue))
        }
        guard summary.layers <= file.tensors.count else { throw ModelFileError.inconsistent(file: place) }
        let hidden = summary.hiddenSizes ?? Array(repeating: summary.hidden, count: summary.layers)
        guard hidden.count == summary.layers else { throw ModelFileError.inconsistent(file: place) }
        var model = ModelConfiguration(
            cell: cell, activation: activation, vocabulary: summary.vocabularySize, embedding: summary.embedding, hidden: hidden)
        model.tied = summary.tied
        for (name, value) in (summary.options ?? [:]).sorted(by: { $0.key < $1.key }) where !model.set(name, to: value) {
            throw ModelFileError.unknown(
                what: "model option", file: place, found: "\(name): \(value)", known: ModelOption.all.map(\.name))
        }
        if model.bidirectional, model.output == .next { throw ModelFileError.seesTheNextToken(file: place) }
        guard model.widthsFit else { throw ModelFileError.inconsistent(file: place) }
        // Before these sizes are added up or allocated: the file must really have tensors of these sizes.
        let (prefix, names) = (prefix(of: file), Set(file.names))
        for parameter in model.plans(.token).flatMap(\.parameters) {
            try file.require(ModelFile.place(of: parameter.name, names, prefix, model), parameter.shape)
        }
        if let lineEnd = summary.lineEnd {
            guard let rule = LineEnd.Rule(rawValue: lineEnd.rule) else {
                throw ModelFileError.unknown(
                    what: "rule for line ends", file: place, found: lineEnd.rule, known: LineEnd.Rule.allCases.map(\.rawValue))
            }
            guard (0..<summary.vocabularySize).contains(lineEnd.token) else { throw ModelFileError.inconsistent(file: place) }
            model.lineEnd = LineEnd(token: Int32(lineEnd.token), rule: rule)
        }
        guard model.output.labels == summary.labels?.count else { throw ModelFileError.inconsistent(file: place) }
        return model
    }
}

extension Output {
    /// What the loss of such a model measures.
    package var measure: LossMeasure {
        switch self {
        case .next: .tokens
        case .tags, .label: .labels
        case .values: .values
        }
    }
}

extension ModelSummary {
    /// What the loss of the model measures; of tokens for an output that this program does not know.
    package var measure: LossMeasure { options?["output"].flatMap(Output.init(text:))?.measure ?? .tokens }

    /// - Parameter labels: by id; nil for a model that predicts tokens.
    package init(_ model: ModelConfiguration, labels: [String]? = nil) {
        self.init(
            cell: model.cell.rawValue, activation: model.activation.rawValue, embedding: model.embedding, hidden: model.hidden,
            tied: model.tied, vocabularySize: model.vocabulary, options: model.options.isEmpty ? nil : model.options,
            lineEnd: model.lineEnd.map { .init(rule: $0.rule.rawValue, token: Int($0.token)) }, labels: labels)
    }
}
