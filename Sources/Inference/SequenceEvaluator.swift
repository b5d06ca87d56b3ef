import Collectives
import Corpus
import Recurrent

/// A text that models are validated on.
package protocol ValidationText: AnyObject {
    /// Collective. As `Evaluator.run`.
    func evaluate(progress: ((_ share: Double) -> Void)?, unless isStopping: () -> Bool) throws -> Evaluation?
}

extension Evaluator: ValidationText {
    package func evaluate(progress: ((_ share: Double) -> Void)?, unless isStopping: () -> Bool) throws -> Evaluation? {
        try run(progress: progress, unless: isStopping)
    }
}

/// Scores every target of some sequences once, without dropout, on one or many ranks, each sequence from the zero state.
///
/// Sequences of about equal length are read together, and ranks take turns. The result is the same to the bit for any number of ranks:
/// nothing of a sequence depends on those beside it, the losses of a sequence are added up in order, and then the sequences.
package final class SequenceEvaluator: ValidationText {
    /// One target.
    package struct Prediction {
        package let sequence: Int
        /// The target, and what the model finds most probable.
        package let target: Int32
        package let predicted: Int32
    }

    private let predictor: RecurrentPredictor
    private let batches: SequenceBatchReader
    private let sequences: SequenceStore
    private let communicator: any Communicator
    /// Whether labels are compared with the most probable ones.
    private let hasLabels: Bool
    /// Sequences by length.
    private let order: [Int]

    /// Sequences read side by side.
    package static func width(steps: Int) -> Int { max(1, min(32, (1 << 14) / max(1, steps))) }

    /// - Parameter predictor: refreshed at each `run`.
    /// - Throws: `KernelError`.
    package init(_ predictor: RecurrentPredictor, sequences: SequenceStore, communicator: any Communicator) throws {
        self.predictor = predictor
        self.sequences = sequences
        self.communicator = communicator
        hasLabels = predictor.configuration.output.labels != nil
        batches = try SequenceBatchReader(predictor, width: SequenceEvaluator.width(steps: sequences.longest), steps: sequences.longest)
        batches.predictor.take(
            inputs: sequences.inputValues.map { ValueTable($0) }, targets: sequences.targetValues.map { ValueTable($0) })
        order = (0..<sequences.count).sorted { (sequences.length(of: $0), $0) < (sequences.length(of: $1), $1) }
    }

    package func evaluate(progress: ((_ share: Double) -> Void)?, unless isStopping: () -> Bool) throws -> Evaluation? {
        try run(progress: progress, unless: isStopping)
    }

    /// Collective.
    /// - Parameters:
    ///   - progress: called often with the share of this rank's sequences that are done.
    ///   - each: called with the predictions of each sequence of this rank, in order; only where targets are labels.
    ///   - isStopping: called occasionally.
    /// - Returns: nil on all ranks if it was true on one.
    /// - Throws: `KernelError`; transport errors.
    package func run(
        progress: ((_ share: Double) -> Void)? = nil, each: (([Prediction]) throws -> Void)? = nil, unless isStopping: () -> Bool = { false }
    ) throws -> Evaluation? {
        let count = sequences.count
        // The loss of each sequence; then right labels, and how many ranks stop.
        var sums = [Double](repeating: 0, count: count + 2)
        let width = batches.width
        let groups = stride(from: communicator.rank * width, to: count, by: communicator.size * width)
        try batches.predictor.change(to: predictor.parameters)
        try batches.predictor.refresh()
        for first in groups where sums[count + 1] == 0 {
            if isStopping() { sums[count + 1] = 1 }
            progress?(Double(first) / Double(count))
            let group = Array(order[first..<min(first + width, count)])
            try batches.read(group.map { sequences.length(of: $0) }) { index, inputs, targets, stride in
                sequences.copy(group[index], inputs: inputs, targets: targets, stride: stride)
            }
            try batches.losses { column, _, nats in sums[group[column]] += nats }
            guard hasLabels else { continue }
            var predictions = group.map { _ in [(step: Int, prediction: Prediction)]() }
            try batches.predictions { column, step, logits in
                let prediction = Prediction(
                    sequence: group[column], target: batches.target(column, step), predicted: Int32(logits.indices.largest { logits[$0] }))
                if prediction.target == prediction.predicted { sums[count] += 1 }
                predictions[column].append((step, prediction))
            }
            if let each { for sequence in predictions { try each(sequence.map(\.prediction)) } }
        }
        progress?(1)
        // Each sequence's loss is on one rank and zero on the others, and counts are whole numbers, so this sum is exact.
        try sums.withUnsafeMutableBufferPointer { try communicator.sum($0) }
        if sums[count + 1] > 0 { return nil }
        var evaluation = Evaluation(
            total: sums[..<count].reduce(0, +), tokens: sequences.predictions, streams: count, unknownTotal: 0, unknownTokens: 0)
        if hasLabels { evaluation.correct = Int(sums[count]) }
        return evaluation
    }
}

extension Range<Int> {
    /// The first with the largest value.
    func largest(_ value: (Int) -> Float) -> Int {
        var best = lowerBound
        for index in self where value(index) > value(best) { best = index }
        return best
    }
}
