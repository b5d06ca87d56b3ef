import Kernels

/// Real numbers to vectors: `x = W v + b`, as torch.nn.Linear has it, with `W [E, D]`. A row that is absent (NaN) contributes nothing: its
/// vector is zero, and no derivative passes. docs/mathematics.md (v1) and (v2).
final class ValueEncoder: InputEncoder {
    private static let (weightName, biasName) = ("encoder.weight", "encoder.bias")

    /// The rows that a batch's inputs are numbers of.
    var table: ValueTable?
    private let weights: Matrix  // [E, D]
    private let bias: Matrix  // [1, E]
    private let sums: GradientSums?
    private let weightGradients: [Matrix]  // one for each node of the sums
    private let biasGradients: [Matrix]
    private let product: PackedProduct  // [T*B, D] x W^T
    private let values: Buffer  // v of each row, zero where it is absent, [T*B, D]

    static func plan(_ model: ModelConfiguration, _ chunk: ChunkShape) -> LayerPlan {
        let (e, d) = (model.embedding, model.values ?? 1)
        var plan = LayerPlan()
        plan.parameters = [
            ParameterPlan(weightName, [e, d], .uniform(model.initialEmbeddingRange ?? model.initialRange)),
            ParameterPlan(biasName, [e], .constant(0)),
        ]
        plan.products = [ProductPlan(.projection, chunk.rows, e, d), ProductPlan(.weightGradients, e, d, chunk.rows)]
        plan.values = chunk.values * Double(d) + PackedProduct.count(inputs: d, outputs: e)
        return plan
    }

    init(_ model: ModelConfiguration, _ chunk: ChunkShape, parameters: Arena, sums: GradientSums?) throws {
        weights = parameters.matrix(ValueEncoder.weightName)
        bias = parameters.matrix(ValueEncoder.biasName)
        self.sums = sums
        weightGradients = sums?.gradients(of: ValueEncoder.weightName) ?? []
        biasGradients = sums?.gradients(of: ValueEncoder.biasName) ?? []
        product = try PackedProduct(
            rows: chunk.rows, inputs: weights.columns, outputs: weights.rows, transposed: true, accumulate: false)
        values = Buffer(count: chunk.rows * weights.columns)
    }

    func packWeights() { product.pack(weights.base) }

    /// - Parameter inputs: [N], numbers of rows.
    func forward(_ inputs: UnsafePointer<Int32>, into output: Matrix) throws {
        guard let table else { preconditionFailure("no values to read") }
        let v = Matrix(values.base, rows: output.rows, columns: weights.columns)
        for i in 0..<v.rows {
            if table.isAbsent(inputs[i]) {
                v.row(i).update(repeating: 0, count: v.columns)
            } else {
                copy(table.row(inputs[i]), to: v.row(i), count: v.columns)
            }
        }
        try product.run(v.base, into: output.base, rows: v.rows)
        for i in 0..<v.rows {
            if table.isAbsent(inputs[i]) {
                output.row(i).update(repeating: 0, count: output.columns)
            } else {
                add(output.row(i), bias.base, into: output.row(i), count: output.columns)
            }
        }
    }

    func backward(_ inputs: UnsafePointer<Int32>, outputGradient: Matrix) throws {
        guard let sums, let table else { preconditionFailure("a model made for evaluation") }
        for i in 0..<outputGradient.rows where table.isAbsent(inputs[i]) {
            outputGradient.row(i).update(repeating: 0, count: outputGradient.columns)
        }
        let v = Matrix(values.base, rows: outputGradient.rows, columns: weights.columns)
        try sums.multiply(outputGradient, by: v, into: weightGradients)
        sums.sumRows(outputGradient, into: biasGradients)
    }

    /// They are overwritten.
    func clearGradients(of inputs: UnsafePointer<Int32>, count: Int) {}
}
