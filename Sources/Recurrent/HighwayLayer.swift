import Kernels

/// A highway connection (Srivastava et al. 2015): `y = t h + (1 - t) x` with the transform gate `t = sigmoid(W_t x + b_t)`, whose
/// biases start at -2, so that a new network passes most of x. Derivation: docs/mathematics.md, "Connections around layers".
final class HighwayLayer: ConnectedLayer, Layer {
    private let map: AffineMap  // W_t [H, in], b_t [H]
    private let arithmetic: CellArithmetic
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
        plan.packed += AffineMap.packed(inputs: x, outputs: h)
        plan.values += chunk.values * Double(h)
        return plan
    }

    init(_ shape: LayerShape, parameters: Arena, sums: GradientSums?, clock: PhaseClock) throws {
        precondition(shape.inputs == shape.output)
        map = try AffineMap(
            weight: shape.name("highway_weight"), bias: shape.name("highway_bias"), shape.chunk, parameters: parameters, sums: sums)
        arithmetic = CellArithmetic(size: shape.output)
        gate = Buffer(count: shape.chunk.rows * shape.output)
        try super.init(width: shape.output, shape, parameters, sums, clock)
    }

    override func packWeights() throws {
        try super.packWeights()
        map.pack()
    }

    func forward(_ input: Matrix, steps: Int) throws {
        try inner.forward(input, steps: steps)
        clock.enter(.projection)
        try map.multiply(input, into: gate.base)
        arithmetic.highway(
            rows: input.rows, gate: gate.row(), bias: Row(map.bias.base), x: Row(input.base), h: Row(inner.output), y: Row(output))
    }

    func backward(
        _ input: Matrix, outputGradient: Matrix, inputGradient: Matrix, steps: Int, pause: () throws -> Void
    ) throws {
        clock.enter(.projectionBackward)
        arithmetic.highwayBackward(
            rows: input.rows, gradient: Row(outputGradient.base), gate: gate.row(), x: Row(input.base), h: Row(inner.output),
            past: joined.row())
        try inner.backward(
            input, outputGradient: outputGradient, inputGradient: inputGradient, steps: steps, pause: pause)
        clock.enter(.weightGradients)
        let deltas = Matrix(gate.base, rows: input.rows, columns: hidden)
        try map.differentiate(deltas, of: input)
        try pause()
        clock.enter(.projectionBackward)
        add(inputGradient.base, joined.base, into: inputGradient.base, count: input.rows * hidden)
        try multiply(deltas, by: map.weights, into: inputGradient, accumulate: true)
    }
}
