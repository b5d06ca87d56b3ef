import Kernels

/// `y = W h + b` with the squared error of a row: the mean over its K values, so that the mean over rows is torch.nn.MSELoss. A target of
/// -1, or one that is absent (NaN), is no prediction. docs/mathematics.md (33j) and (33k).
final class ValueHead: Head {
    private static let (weightName, biasName) = ("decoder.weight", "decoder.bias")

    /// The rows that targets are numbers of.
    var table: ValueTable?
    private let map: AffineMap  // [K, H]
    private let sums: GradientSums?
    private let batch: Int
    private let outputs: Buffer  // y, [T*B, K]; in the backward pass dL/dy
    private let clock: PhaseClock
    private var losses: [Double]  // of each shard in the last `lossAndGradient`

    static func plan(_ model: ModelConfiguration, _ chunk: ChunkShape) -> LayerPlan {
        let (rows, k, h) = (chunk.rows, model.outputs, model.width(belowLayer: model.layers))
        var plan = LayerPlan()
        plan.parameters = [
            ParameterPlan(weightName, [k, h], .uniform(model.initialRange)), ParameterPlan(biasName, [k], .constant(0)),
        ]
        plan.products = [
            ProductPlan(.output, rows, k, h), ProductPlan(.outputBackward, rows, h, k), ProductPlan(.weightGradients, k, h, rows),
        ]
        plan.packed = AffineMap.packed(inputs: h, outputs: k)
        plan.values = chunk.values * Double(k)
        return plan
    }

    init(_ model: ModelConfiguration, _ chunk: ChunkShape, parameters: Arena, sums: GradientSums?, clock: PhaseClock) throws {
        map = try AffineMap(
            weight: ValueHead.weightName, bias: ValueHead.biasName, chunk, parameters: parameters, sums: sums)
        self.sums = sums
        batch = chunk.batch
        outputs = Buffer(count: chunk.rows * map.weights.rows)
        losses = Array(repeating: 0, count: sums?.shards ?? 0)
        self.clock = clock
    }

    var shardLosses: [Double] { sums?.isSharded == true ? losses : [] }

    func packWeights() { map.pack() }

    private var width: Int { map.weights.rows }  // K

    func loss(_ hidden: Matrix, targets: UnsafePointer<Int32>, each: ((Int, Double) -> Void)?) throws -> LossSum {
        var sum = LossSum()
        let y = try outputs(of: hidden)
        for i in 0..<y.rows {
            guard let error = error(y.row(i), targets[i]) else { continue }
            sum += LossSum(total: error, tokens: 1)
            each?(i, error)
        }
        return sum
    }

    func lossAndGradient(
        _ hidden: Matrix, targets: UnsafePointer<Int32>, hiddenGradient: Matrix, context: StepContext, each: ((Int, Double) -> Void)?
    ) throws -> LossSum {
        guard let sums else { preconditionFailure("a model made for evaluation") }
        let y = try outputs(of: hidden)
        for shard in losses.indices { losses[shard] = 0 }
        var sum = LossSum()
        for i in 0..<y.rows {
            guard let error = differentiate(y.row(i), targets[i]) else { continue }
            sum.tokens += 1
            losses[i % batch / sums.width] += error
            each?(i, error)
        }
        sum.total = losses.reduce(0, +)
        clock.enter(.outputBackward)
        try multiply(y, by: map.weights, into: hiddenGradient)
        try map.differentiate(y, of: hidden)
        return sum
    }

    /// The values [K] that a row predicts.
    func logits(of hidden: UnsafeMutablePointer<Float>) throws -> UnsafeMutableBufferPointer<Float> {
        let y = try outputs(of: Matrix(hidden, rows: 1, columns: map.weights.columns))
        return UnsafeMutableBufferPointer(start: y.base, count: y.columns)
    }

    /// y of these rows, [N, K].
    private func outputs(of hidden: Matrix) throws -> Matrix {
        clock.enter(.output)
        let y = Matrix(outputs.base, rows: hidden.rows, columns: width)
        try map.multiply(hidden, into: y.base)
        for i in 0..<y.rows { add(y.row(i), map.bias.base, into: y.row(i), count: y.columns) }
        return y
    }

    /// The values that a row should have; nil without a prediction.
    private func values(_ target: Int32) -> UnsafePointer<Float>? {
        guard let table else { preconditionFailure("no values to predict") }
        return target < 0 || table.isAbsent(target) ? nil : table.row(target)
    }

    private func error(_ y: UnsafePointer<Float>, _ target: Int32) -> Double? {
        guard let values = values(target) else { return nil }
        return (0..<width).reduce(0.0) { sum, k in
            let difference = Double(y[k] - values[k])
            return sum + difference * difference
        } / Double(width)
    }

    /// y becomes dL/dy, zero without a prediction.
    /// - Returns: the error.
    private func differentiate(_ y: UnsafeMutablePointer<Float>, _ target: Int32) -> Double? {
        guard let error = error(y, target), let values = values(target) else {
            y.update(repeating: 0, count: width)
            return nil
        }
        let factor = 2 / Float(width)
        for k in 0..<width { y[k] = (y[k] - values[k]) * factor }
        return error
    }
}
