import Configuration
import Corpus
import Diagnostics
import Recurrent
import Training

extension TrainingSequences {
    /// The sequences of a dataset that a configuration trains on; nil for streams.
    /// - Throws: `UsageError` if the data do not have what the configuration asks for; as `Dataset.sequences`.
    init?(_ dataset: Dataset, _ configuration: RunConfiguration) throws {
        let (output, batching, task) = (configuration.model.output, configuration.training.batching, dataset.manifest.task)
        if configuration.model.kind == .ngram { return nil }
        let needed: SequenceTask? = output == .tags ? .tags : output == .label ? .label : output == .values ? .values : nil
        if let needed, needed != task {
            if needed == .values {
                throw UsageError(
                    "the dataset has no numbers to predict", location: "model.output", expected: "data made with lockstep prepare --values",
                    found: "values with \(dataset.folder)", remedy: "set model.output to what the data have: \(task.map { $0 == .continuation ? "next" : $0.rawValue } ?? "next")")
            }
            throw UsageError(
                "the dataset has no \(needed == .tags ? "label for each token" : "label for each sequence")", location: "model.output",
                expected: dataset.manifest.values == nil
                    ? "data made with lockstep prepare --format \(needed == .tags ? "columns" : "labelled")" : "\(task?.rawValue ?? "values")", found: "\(output.rawValue) with \(dataset.folder)",
                remedy: "\(dataset.manifest.values == nil ? "prepare the data so, or " : "")set model.output to what they have: \(task.map { $0 == .continuation ? "next" : $0.rawValue } ?? "next")")
        }
        if needed == nil, dataset.manifest.values != nil {
            throw UsageError(
                "the dataset has numbers and no tokens, so that there is no next token to predict", location: "model.output",
                expected: task?.rawValue ?? "values", found: output.rawValue, remedy: "set model.output to \(task?.rawValue ?? "values")")
        }
        if dataset.manifest.values != nil, configuration.model.dropouts.embedding > 0 {
            throw UsageError(
                "the dataset has numbers and no words to drop", location: "model.dropouts.embedding", expected: "0",
                found: "\(configuration.model.dropouts.embedding)", remedy: "set it to 0; model.dropouts.input drops values")
        }
        if task == .continuation, batching != .sentences {
            throw UsageError(
                "the dataset has conditions and continuations, which are not one text", location: "training.batching", expected: "sentences",
                found: batching.rawValue, remedy: "set training.batching to sentences")
        }
        guard batching == .sentences else { return nil }
        let hasValidation = dataset.splits.contains(.valid)
        if needed != nil || task == .continuation {
            self.init(training: try dataset.sequences(of: .train)!, validation: hasValidation ? try dataset.sequences(of: .valid) : nil)
            return
        }
        guard let lineEnd = dataset.vocabulary.lineEnd else {
            throw UsageError(
                "the vocabulary has no token that ends a line", location: "training.batching",
                expected: "<eos>, or a newline among characters or bytes", found: batching.rawValue,
                remedy: "set it to streams, or prepare a text with lines")
        }
        self.init(
            training: try dataset.sequences(of: .train, framedBy: lineEnd) ?? SequenceStore(linesOf: dataset.tokens(of: .train), lineEnd: lineEnd),
            validation: hasValidation ? try dataset.sequences(of: .valid, framedBy: lineEnd) : nil)
    }
}

extension Output {
    /// What a validated configuration predicts.
    /// - Parameter labels: the number of labels, or of values in each row of targets; nil if the data have neither.
    init(_ model: RunConfiguration.Model, labels: Int?) {
        switch (model.output, labels) {
        case (.tags, let labels?): self = .tags(labels: labels)
        case (.label, let labels?): self = .label(labels: labels, pooling: model.pooling)
        case (.values, let values?): self = .values(values)
        default: self = .next
        }
    }
}
