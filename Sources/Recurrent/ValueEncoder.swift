import Kernels

/// Real numbers to vectors: `x = W v + b`, as torch.nn.Linear has it, with `W [E, D]`. A row that is absent (NaN) contributes nothing: its
/// vector is zero, and no derivative passes. docs/mathematics.md (6a) and (6b).
final class ValueEncoder: InputEncoder {
    private static let (weightName, biasName) = ("encoder.weight", "encoder.bias")

    /// The rows that a batch's inputs are numbers of.
    var table: ValueTable?
    private let map: AffineMap  // [E, D]
    private let values: Buffer  // v of each row, zero where it is absent, [T*B, D]

    static func plan(_ model: ModelConfiguration, _ chunk: ChunkShape) -> LayerPlan {
        let (e, d) = (model.embedding, model.values ?? 1)
        var plan = LayerPlan()
        plan.parameters = [
            ParameterPlan(weightName, [e, d], .uniform(model.initialEmbeddingRange ?? model.initialRange)),
            ParameterPlan(biasName, [e], .constant(0)),
        ]
        plan.products = [ProductPlan(.projection, chunk.rows, e, d), ProductPlan(.weightGradients, e, d, chunk.rows)]
        plan.packed = AffineMap.packed(inputs: d, outputs: e)
        plan.values = chunk.values * Double(d)
        return plan
    }

    init(_ model: ModelConfiguration, _ chunk: ChunkShape, parameters: Arena, sums: GradientSums?) throws {
        map = try AffineMap(
            weight: ValueEncoder.weightName, bias: ValueEncoder.biasName, chunk, parameters: parameters, sums: sums)
        values = Buffer(count: chunk.rows * map.weights.columns)
    }

    func packWeights() { map.pack() }

    /// v of the first rows, [N, D].
    private func values(_ rows: Int) -> Matrix { Matrix(values.base, rows: rows, columns: map.weights.columns) }

    /// - Parameter inputs: [N], numbers of rows.
    func forward(_ inputs: UnsafePointer<Int32>, into output: Matrix) throws {
        guard let table else { preconditionFailure("no values to read") }
        let v = values(output.rows)
        for i in 0..<v.rows {
            if table.isAbsent(inputs[i]) {
                v.row(i).update(repeating: 0, count: v.columns)
            } else {
                copy(table.row(inputs[i]), to: v.row(i), count: v.columns)
            }
        }
        try map.multiply(v, into: output.base)
        for i in 0..<v.rows {
            if table.isAbsent(inputs[i]) {
                output.row(i).update(repeating: 0, count: output.columns)
            } else {
                add(output.row(i), map.bias.base, into: output.row(i), count: output.columns)
            }
        }
    }

    func backward(_ inputs: UnsafePointer<Int32>, outputGradient: Matrix, leaves: Leaves?) throws {
        guard let table else { preconditionFailure("no values to read") }
        for i in 0..<outputGradient.rows where table.isAbsent(inputs[i]) {
            outputGradient.row(i).update(repeating: 0, count: outputGradient.columns)
        }
        try map.differentiate(outputGradient, of: values(outputGradient.rows))
    }

    /// They are overwritten.
    func clearGradients(of inputs: UnsafePointer<Int32>, count: Int) {}
}
