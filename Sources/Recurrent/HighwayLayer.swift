import Kernels

/// A highway connection (Srivastava et al. 2015): `y = t h + (1 - t) x` with the transform gate `t = sigmoid(W_t x + b_t)`, whose
/// biases start at -2, so that a new network passes most of x. Derivation: docs/mathematics.md, "Connections around layers".
final class HighwayLayer: ConnectedLayer, Layer {
    private let weights: Matrix  // W_t [H, in]
    private let bias: Matrix  // b_t [1, H]
    private let weightGradients: [Matrix]  // one for each node of the sums
    private let biasGradients: [Matrix]
    private let sums: GradientSums?
    private let arithmetic: CellArithmetic
    private let projection: PackedProduct  // [T*B, in] x W_t^T
    private let gate: Buffer  // t of each step, [T, B, H]; in the backward pass dL/d(W_t x + b_t)

    static let initialBias: Float = -2

    static func plan(_ shape: LayerShape) -> LayerPlan {
        let (chunk, x, h) = (shape.chunk, shape.inputs, shape.output)
        var plan = plan(shape, width: h)
        plan.parameters += [
            ParameterPlan(shape.name("highway_weight"), [h, x], .uniform(shape.model.initialRange)),
            ParameterPlan(shape.name("highway_bias"), [h], .constant(initialBias)),
        ]
        plan.products += [
            ProductPlan(.projection, chunk.rows, h, x),
            ProductPlan(.weightGradients, h, x, chunk.rows),
            ProductPlan(.projectionBackward, chunk.rows, x, h),
        ]
        plan.values += chunk.values * Double(h) + PackedProduct.count(inputs: x, outputs: h)
        return plan
    }

    init(_ shape: LayerShape, parameters: Arena, sums: GradientSums?, clock: PhaseClock) throws {
        precondition(shape.inputs == shape.output)
        let (weightName, biasName) = (shape.name("highway_weight"), shape.name("highway_bias"))
        weights = parameters.matrix(weightName)
        bias = parameters.matrix(biasName)
        weightGradients = sums?.gradients(of: weightName) ?? []
        biasGradients = sums?.gradients(of: biasName) ?? []
        self.sums = sums
        arithmetic = CellArithmetic(size: shape.output)
        projection = try PackedProduct(
            rows: shape.chunk.rows, inputs: shape.inputs, outputs: shape.output, transposed: true, accumulate: false)
        gate = Buffer(count: shape.chunk.rows * shape.output)
        try super.init(width: shape.output, shape, parameters, sums, clock)
    }

    override func packWeights() throws {
        try super.packWeights()
        projection.pack(weights.base)
    }

    func forward(_ input: Matrix, steps: Int) throws {
        try inner.forward(input, steps: steps)
        clock.enter(.projection)
        try projection.run(input.base, into: gate.base, rows: input.rows)
        arithmetic.highway(
            rows: input.rows, gate: gate.row(), bias: Row(bias.base), x: Row(input.base), h: Row(inner.output), y: Row(output))
    }

    func backward(
        _ input: Matrix, outputGradient: Matrix, inputGradient: Matrix, steps: Int, pause: () throws -> Void
    ) throws {
        guard let sums else { preconditionFailure("a layer made for evaluation") }
        clock.enter(.projectionBackward)
        arithmetic.highwayBackward(
            rows: input.rows, gradient: Row(outputGradient.base), gate: gate.row(), x: Row(input.base), h: Row(inner.output),
            past: joined.row())
        try inner.backward(
            input, outputGradient: outputGradient, inputGradient: inputGradient, steps: steps, pause: pause)
        clock.enter(.weightGradients)
        let deltas = Matrix(gate.base, rows: input.rows, columns: hidden)
        try sums.multiply(deltas, by: input, into: weightGradients)
        sums.sumRows(deltas, into: biasGradients)
        try pause()
        clock.enter(.projectionBackward)
        add(inputGradient.base, joined.base, into: inputGradient.base, count: input.rows * hidden)
        try multiply(deltas, by: weights, into: inputGradient, accumulate: true)
    }
}
