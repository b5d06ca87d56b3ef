import Corpus
import Diagnostics
import Inference
import Reporting

/// What `evaluate` prints of data with targets of their own.
struct SequenceReport: Encodable {
    /// Precision, recall and F1 of a label or of a type of spans.
    struct Row: Encodable {
        let name: String
        let precision: Double
        let recall: Double
        let f1: Double
        let actual: Int
        let predicted: Int
        let correct: Int

        init(_ name: String, _ score: LabelScores.Score) {
            self.name = name
            (precision, recall, f1) = (score.precision, score.recall, score.f1)
            (actual, predicted, correct) = (score.actual, score.predicted, score.correct)
        }
    }

    struct Spans: Encodable {
        /// All types together.
        let all: Row
        let types: [Row]
    }

    /// `counts[actual][predicted]`, in the order of `labels`.
    struct Confusion: Encodable {
        let labels: [String]
        let counts: [[Int]]
    }

    /// Left out for values, as `nats_per_prediction` is.
    let nllSum: Double?
    let predictions: Int
    /// Per label, or per token of a continuation.
    let natsPerPrediction: Double?
    /// Of values: the mean over all that are predicted, and its root.
    let meanSquaredError: Double?
    let rootMeanSquaredError: Double?
    /// Of tokens; left out for labels, as the keys from `accuracy` on are for tokens.
    let perplexity: Double?
    let accuracy: Double?
    let correct: Int?
    /// The mean of the labels' F1, of those that occur.
    let macroF1: Double?
    let labels: [Row]?
    let spans: Spans?
    let confusion: Confusion?
    let sequences: Int
    let split: String
    let checkpoint: String
    let step: Int?
    let modelSha256: String
    let vocabularySha256: String
    let data: String
    /// Of the file of tokens, and of that of targets.
    let dataSha256: String
    let targetsSha256: String

    /// More labels than this have no confusion matrix.
    private static let mostConfused = 1024

    init(_ evaluation: Evaluation, _ scores: LabelScores?, model: OpenedModel, dataset: Dataset, split: Split) {
        let areValues = dataset.manifest.task == .values
        nllSum = areValues ? nil : evaluation.total
        predictions = evaluation.tokens
        natsPerPrediction = areValues ? nil : evaluation.nats
        meanSquaredError = areValues ? evaluation.nats : nil
        rootMeanSquaredError = areValues ? evaluation.nats.squareRoot() : nil
        perplexity = scores == nil && !areValues && evaluation.perplexity.isFinite ? evaluation.perplexity : nil
        accuracy = evaluation.accuracy
        correct = evaluation.correct
        let rows = scores.map { scores in zip(scores.labels, scores.scores).map { Row($0, $1) }.filter { $0.actual + $0.predicted > 0 } }
        labels = rows
        macroF1 = rows.map { $0.isEmpty ? 0 : $0.reduce(0) { $0 + $1.f1 } / Double($0.count) }
        spans = scores.flatMap { scores in
            scores.allSpans.map { all in
                Spans(all: Row("all", all), types: scores.spans!.sorted { $0.key < $1.key }.map { Row($0.key, $0.value) })
            }
        }
        confusion = scores.flatMap { scores in
            let all = scores.labels.indices
            guard all.count <= SequenceReport.mostConfused else { return nil }
            return Confusion(labels: scores.labels, counts: all.map { actual in all.map { scores.count(actual, as: $0) } })
        }
        sequences = evaluation.streams
        self.split = split.rawValue
        checkpoint = model.path.legible
        step = model.step
        modelSha256 = model.modelHash
        vocabularySha256 = model.vocabulary.hash
        data = dataset.folder.legible
        let record = dataset.manifest.splits[split]
        dataSha256 = record?.sha256 ?? ""
        targetsSha256 = record?.sequences?.targets.sha256 ?? ""
    }

    var text: String {
        func percent(_ share: Double) -> String { "\(Formatting.fixed(100 * share, decimals: 2)) %" }
        var rows: [(String, String)] = []
        if let accuracy, let correct { rows.append(("accuracy", "\(percent(accuracy)): \(Formatting.count(correct)) of \(Formatting.count(predictions))")) }
        if let spans {
            rows.append(("span F1", "\(percent(spans.all.f1)), precision \(percent(spans.all.precision)), recall \(percent(spans.all.recall))"))
        }
        if let macroF1 { rows.append(("macro F1", "\(percent(macroF1)), the mean over labels")) }
        if let meanSquaredError, let rootMeanSquaredError {
            rows.append(("mean squared error", Formatting.fixed(meanSquaredError, decimals: 8)))
            rows.append(("its root", Formatting.fixed(rootMeanSquaredError, decimals: 8)))
        }
        if accuracy == nil, natsPerPrediction != nil { rows.append(("perplexity", perplexity.map { Formatting.fixed($0, decimals: 6) } ?? "too large for a number; see nats per token")) }
        if let natsPerPrediction { rows.append((accuracy == nil ? "nats per token" : "nats per label", Formatting.fixed(natsPerPrediction, decimals: 8))) }
        rows.append(("predictions", "\(Formatting.count(predictions)) in \(Formatting.count(sequences)) sequences, each from the zero state"))
        rows.append(("data", "\(data), split \(split)"))
        rows.append(("checkpoint", checkpoint + (step.map { ", step \($0)" } ?? "")))
        var parts = [rows.map { $0.0.padding(20) + $0.1 }.joined(separator: "\n")]
        func scores(_ heading: String, _ rows: [Row]) -> String {
            let cells = rows.map { [$0.name.printable, percent($0.precision), percent($0.recall), percent($0.f1), "\($0.actual)", "\($0.predicted)", "\($0.correct)"] }
            return table([[heading, "precision", "recall", "F1", "actual", "predicted", "correct"]] + cells, textColumns: [0])
        }
        if let spans { parts.append(scores("span", spans.types)) }
        if let labels { parts.append(scores("label", labels)) }
        let hashes = [("  data", dataSha256), ("  targets", targetsSha256), ("  model", modelSha256), ("  vocabulary", vocabularySha256)]
        parts.append("SHA-256\n" + hashes.map { $0.0.padding(14) + $0.1 }.joined(separator: "\n"))
        return parts.joined(separator: "\n\n")
    }
}

extension String {
    fileprivate func padding(_ width: Int) -> String { self + String(repeating: " ", count: max(2, width - count)) }
}
