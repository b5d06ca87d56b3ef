import Kernels

/// A dense connection (Huang et al. 2017; in recurrent language models Godin et al. 2017): `y = [x; h]`, so that each layer and the
/// output layer read the embedding and all layers below. Derivation: docs/mathematics.md, "Connections around layers".
final class DenseLayer: ConnectedLayer, Layer {
    private let hiddenGradient: Buffer  // dL/dh, [T, B, H]

    static func plan(_ shape: LayerShape) -> LayerPlan {
        var plan = plan(shape, width: shape.inputs + shape.output)
        if shape.chunk.training { plan.values += shape.chunk.values * Double(shape.output) }
        return plan
    }

    init(_ shape: LayerShape, parameters: Arena, sums: GradientSums?, clock: PhaseClock) throws {
        hiddenGradient = Buffer(count: shape.chunk.training ? shape.chunk.rows * shape.output : 0)
        try super.init(width: shape.inputs + shape.output, shape, parameters, sums, clock)
    }

    func forward(_ input: Matrix, steps: Int) throws {
        try inner.forward(input, steps: steps)
        let y = Matrix(output, rows: input.rows, columns: inputs + hidden)
        for row in 0..<input.rows {
            copy(input.row(row), to: y.row(row), count: inputs)
            copy(inner.output + row * hidden, to: y.row(row) + inputs, count: hidden)
        }
    }

    func backward(
        _ input: Matrix, outputGradient: Matrix, inputGradient: Matrix, steps: Int, pause: () throws -> Void
    ) throws {
        let above = Matrix(hiddenGradient.base, rows: input.rows, columns: hidden)
        for row in 0..<input.rows { copy(outputGradient.row(row) + inputs, to: above.row(row), count: hidden) }
        try inner.backward(input, outputGradient: above, inputGradient: inputGradient, steps: steps, pause: pause)
        for row in 0..<input.rows {
            add(inputGradient.row(row), outputGradient.row(row), into: inputGradient.row(row), count: inputs)
        }
    }
}
