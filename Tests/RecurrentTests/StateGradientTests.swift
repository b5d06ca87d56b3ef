import Kernels
import Recurrent
import TestSupport
import Testing

/// The gradient of one position's loss with respect to every state before it.
@Suite struct StateGradientTests {
    /// h_t = tanh(U h_{t-1} + x_t) with U = [[0.9, 0.2], [-0.3, 0.5]], and dE/dh_4 = (1, -1): norms by lag, worked out in double precision.
    @Test func anElmanNetworkByHand() throws {
        let model = ModelConfiguration(cell: .elman, vocabulary: 5, embedding: 2, hidden: 2, layers: 1)
        let layout = ParameterLayout(model)
        let parameters = Arena(layout)
        func set(_ name: String, _ values: [Float]) { parameters.values(layout[name]).update(from: values) }
        set("encoder.weight", [0, 0, 0.5, -0.5, 0.1, 0.2, -0.3, 0.4, 0.2, 0])
        set("rnn.weight_ih_l0", [1, 0, 0, 1])
        set("rnn.weight_hh_l0", [0.9, 0.2, -0.3, 0.5])
        // Token 0 has all the probability, so that the gradient is its weights less those of the target.
        set("decoder.weight", [1, -1, 0, 0, 0, 0, 0, 0, 0, 0])
        set("decoder.bias", [100, 0, 0, 0, 0])
        let network = try Network(model, parameters: parameters, gradients: Arena(layout), batch: 1, steps: 5)
        try network.forward([0, 1, 2, 3, 4], steps: 5)
        let layer = try network.stateGradients(fromLastStep: [1]).layers[0]
        let expected = [1.414214, 1.179690, 1.115963, 0.849163, 0.569466]
        for (found, expected) in zip(layer.hidden.reversed(), expected) { #expect(abs(found - expected) < 1e-6) }
        #expect(layer.cell.isEmpty)
    }

    struct Case: CustomTestStringConvertible, Sendable {
        let cell: OracleCell
        let hidden: [Int]
        var connections = Connections.none
        var peepholes = false
        var testDescription: String { "\(cell) \(hidden) \(connections)\(peepholes ? ", peepholes" : "")" }
    }

    private static let cases =
        OracleCell.allCases.flatMap { [Case(cell: $0, hidden: [5]), Case(cell: $0, hidden: [4, 5])] } + [
            Case(cell: .lstm, hidden: [3, 4, 5], connections: .dense), Case(cell: .gruResetBefore, hidden: [4, 4], connections: .residual),
            Case(cell: .lstmNormalized, hidden: [4, 4], connections: .highway), Case(cell: .lstm, hidden: [4, 5], peepholes: true),
        ]

    /// Each state of each layer and step, against the change of the loss in double precision when it is changed.
    @Test(arguments: cases) func normsAreThoseOfFiniteDifferences(test: Case) throws {
        let (steps, batch) = (4, 2)
        var model = GradientTests.configuration(.init(test.cell, test.hidden, tied: false, test.connections))
        if test.peepholes { model.peepholes = .diagonal }
        let oracle = OracleModel.random(
            cell: test.cell, vocabulary: model.vocabulary, embedding: model.embedding, hidden: test.hidden,
            connections: OracleConnections(rawValue: test.connections.rawValue)!, tied: false, peepholes: test.peepholes, seed: 5)
        var chunk = OracleChunk.random(for: oracle, steps: steps, batch: batch, seed: 3)
        let last = (steps - 1) * batch
        chunk.targets = chunk.targets.indices.map { $0 < last ? -1 : Int32($0 % 5) }
        let layout = ParameterLayout(model)
        let parameters = Arena(layout)
        for entry in layout.entries { parameters.values(entry).update(from: oracle.parameters[entry.name]!.map(Float.init)) }
        let network = try Network(model, parameters: parameters, gradients: Arena(layout), batch: batch, steps: steps + 1)
        for (buffer, values) in zip(network.state, chunk.initialState.flatMap { $0.cell.isEmpty ? [$0.hidden] : [$0.hidden, $0.cell] }) {
            buffer.elements.update(from: values.map(Float.init))
        }
        try network.forward(chunk.inputs, steps: steps)
        let found = try network.stateGradients(fromLastStep: Array(chunk.targets[last...]))
        #expect(abs(found.loss.total - oracle.run(chunk).loss) < 1e-5)

        let isLSTM = test.cell.base == .lstm
        for (layer, size) in test.hidden.enumerated() {
            #expect(found.layers[layer].cell.count == (isLSTM ? steps * batch : 0))
            for (isOfCell, norms) in [(false, found.layers[layer].hidden), (true, found.layers[layer].cell)] where !norms.isEmpty {
                for step in 0..<steps {
                    var squares = [Double](repeating: 0, count: batch)
                    for place in 0..<size {
                        func losses(_ amount: Double) -> ArraySlice<Double> {
                            chunk.disturbance = OracleDisturbance(layer: layer, step: step, isOfCell: isOfCell, place: place, amount: amount)
                            return oracle.run(chunk).tokenLosses[last...]
                        }
                        for (b, difference) in zip(losses(1e-5), losses(-1e-5)).map({ ($0 - $1) / 2e-5 }).enumerated() {
                            squares[b] += difference * difference
                        }
                    }
                    for b in 0..<batch {
                        let (expected, norm) = (squares[b].squareRoot(), norms[step * batch + b])
                        #expect(abs(norm - expected) < 2e-6 + 2e-5 * expected, "layer \(layer), \(isOfCell ? "c" : "h"), step \(step): \(norm), \(expected)")
                    }
                }
            }
        }
    }
}
