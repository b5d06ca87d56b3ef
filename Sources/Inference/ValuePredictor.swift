import Kernels
import Recurrent

/// Predicts from sequences of numbers, one after the other, each from the zero state.
package final class ValuePredictor {
    private let predictor: RecurrentPredictor
    private var reader: SequenceBatchReader?
    private let isOfSequences: Bool

    /// - Parameter predictor: of a model that reads values.
    package init(_ predictor: RecurrentPredictor) {
        self.predictor = predictor
        isOfSequences = predictor.configuration.output.isOfSequences
    }

    /// - Parameter sequence: rows of `columns` numbers, at least one row.
    /// - Returns: of each row, or of the sequence, what the model puts out: values, or a logit for each label.
    /// - Throws: `OutputNotFinite`, `KernelError`.
    package func predict(_ sequence: [Float], columns: Int) throws -> [[Float]] {
        let rows = sequence.count / columns
        let buffer = Buffer(count: sequence.count)
        buffer.elements.update(from: sequence)
        let reader = try SequenceBatchReader.room(in: &reader, for: predictor, width: 1, steps: rows)
        reader.predictor.take(inputs: ValueTable(buffer.base, rows: rows, columns: columns, of: buffer), targets: nil)
        try reader.read([rows]) { _, inputs, targets, stride in
            for t in 0..<rows {
                inputs[t * stride] = Int32(t)
                targets[t * stride] = isOfSequences && t < rows - 1 ? -1 : 0
            }
        }
        var outputs: [[Float]] = []
        try reader.predictions { _, _, values in outputs.append(Array(values)) }
        guard outputs.allSatisfy({ $0.allSatisfy(\.isFinite) }) else { throw OutputNotFinite() }
        return outputs
    }
}
