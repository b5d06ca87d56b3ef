import Kernels

/// A residual connection (He et al. 2016): `y = x + h`. Derivation: docs/mathematics.md, "Connections around layers".
final class ResidualLayer: ConnectedLayer, Layer {
    static func plan(_ shape: LayerShape) -> LayerPlan { plan(shape, width: shape.output) }

    init(_ shape: LayerShape, parameters: Arena, sums: GradientSums?, clock: PhaseClock) throws {
        precondition(shape.inputs == shape.output)
        try super.init(width: shape.output, shape, parameters, sums, clock)
    }

    func forward(_ input: Matrix, steps: Int) throws {
        try inner.forward(input, steps: steps)
        add(input.base, inner.output, into: output, count: input.rows * hidden)
    }

    func backward(
        _ input: Matrix, outputGradient: Matrix, inputGradient: Matrix, steps: Int, pause: () throws -> Void
    ) throws {
        let count = input.rows * hidden
        copy(outputGradient.base, to: joined.base, count: count)
        try inner.backward(
            input, outputGradient: outputGradient, inputGradient: inputGradient, steps: steps, pause: pause)
        add(inputGradient.base, joined.base, into: inputGradient.base, count: count)
    }
}
