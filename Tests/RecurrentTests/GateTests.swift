import Kernels
import Recurrent
import TestSupport
import Testing

/// The LSTM from gateless to all gates, with and without peepholes.
@Suite struct GateTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let gates: Set<Gate>
        let peepholes: Peepholes
        let layers: Int
        var testDescription: String {
            "\(gates.isEmpty ? "gateless" : gates.map(\.rawValue).sorted().joined(separator: ", ")), peepholes \(peepholes.rawValue), \(layers) layers"
        }

        func model(vocabulary: Int, embedding: Int, hidden: Int) -> ModelConfiguration {
            var model = ModelConfiguration(
                cell: .lstm, vocabulary: vocabulary, embedding: embedding, hidden: hidden, layers: layers, initialRange: 0.5)
            model.gates = gates
            model.peepholes = peepholes
            return model
        }

        /// Blocks of i, f, g, o.
        var absent: Set<Int> { Set([(Gate.input, 0), (.forget, 1), (.output, 3)].filter { !gates.contains($0.0) }.map(\.1)) }
    }

    static let subsets: [Set<Gate>] = (0..<8).map { bits in
        Set(Gate.allCases.enumerated().filter { bits >> $0.offset & 1 == 1 }.map(\.element))
    }
    static let cases = subsets.flatMap { gates in
        Peepholes.allCases.flatMap { peepholes in [1, 3].map { Case(gates: gates, peepholes: peepholes, layers: $0) } }
    }

    @Test(arguments: cases) func everyGradientMatchesTheOracle(test: Case) throws {
        let (steps, batch, vocabulary, embedding, hidden) = (5, 3, 11, 6, 13)
        let model = test.model(vocabulary: vocabulary, embedding: embedding, hidden: hidden)
        let oracle = OracleModel.random(
            cell: .lstm, layers: test.layers, vocabulary: vocabulary, embedding: embedding, hidden: hidden, tied: false,
            absentGates: test.absent, peepholes: test.peepholes == .diagonal, seed: 42)
        let chunk = OracleChunk.random(for: oracle, steps: steps, batch: batch, seed: 7)
        let expected = oracle.run(chunk)

        let layout = ParameterLayout(model)
        #expect(layout.entries.map(\.name) == oracle.parameterShapes.map(\.name))
        let (parameters, gradients) = (Arena(layout), Arena(layout))
        gradients.buffer.fill(.nan)  // whatever is not written shows
        gradients.values(layout["encoder.weight"]).fill(0)
        for entry in layout.entries { parameters.values(entry).update(from: oracle.parameters[entry.name]!.map(Float.init)) }
        let network = try Network(model, parameters: parameters, gradients: gradients, batch: batch, steps: steps + 2)
        for (buffer, values) in zip(network.state, chunk.initialState.flatMap { [$0.hidden, $0.cell] }) {
            buffer.elements.update(from: values.map(Float.init))
        }
        try network.forward(chunk.inputs, steps: steps)
        let loss = try network.lossAndBackward(chunk.targets)
        #expect(abs(loss.total - expected.loss) < 1e-5 * expected.loss)
        for entry in layout.entries {
            let difference = relativeDistance(gradients.values(entry).map(Double.init), expected.gradients[entry.name]!)
            #expect(difference < 2e-6, "\(entry.name): \(difference)")
        }
        for (state, want) in zip(network.state, expected.finalState.flatMap { [$0.hidden, $0.cell] }) {
            #expect(relativeDistance(state.elements.map(Double.init), want) < 1e-6)
        }
    }

    /// One unit by hand: W = (0.5, -0.3, 0.8, 0.2), U = (0.1, 0.4, -0.2, 0.3), b = (0, 1, 0, -0.1) for i, f, g, o and
    /// peepholes (0.25, -0.5, 0.75) read 1, -2, 0.5. c and h after each.
    static let byHand: [(Set<Gate>, [(Double, Double)])] = [
        ([.input, .forget, .output], [(0.41333588, 0.23520675), (0.06363217, 0.02578165), (0.25711025, 0.13836843)]),
        ([], [(0.66403677, 0.58104359), (-0.27336812, -0.26675608), (0.15128169, 0.15013808)]),
        ([.output], [(0.66403677, 0.37489218), (-0.26817008, -0.0934908), (0.12766306, 0.06563522)]),
        ([.input], [(0.41333588, 0.39130147), (0.13554629, 0.13472223), (0.34019748, 0.32765369)]),
        ([.input, .output], [(0.41333588, 0.23520675), (0.13981414, 0.05828124), (0.35148432, 0.19242165)]),
        ([.forget], [(0.66403677, 0.58104359), (-0.39446585, -0.3752038), (0.1620489, 0.16064518)]),
        ([.input, .forget], [(0.41333588, 0.39130147), (0.06316806, 0.06308417), (0.25367469, 0.2483698)]),
        ([.forget, .output], [(0.66403677, 0.37489218), (-0.39764726, -0.12659855), (0.11084109, 0.05644054)]),
    ]

    @Test(arguments: byHand) func statesAreThoseComputedByHand(gates: Set<Gate>, states: [(Double, Double)]) throws {
        let model = Case(gates: gates, peepholes: .diagonal, layers: 1).model(vocabulary: 3, embedding: 1, hidden: 1)
        let layout = ParameterLayout(model)
        let parameters = Arena(layout)
        for (name, values) in [
            ("encoder.weight", [1, -2, 0.5]), ("rnn.weight_ih_l0", [0.5, -0.3, 0.8, 0.2]),
            ("rnn.weight_hh_l0", [0.1, 0.4, -0.2, 0.3]), ("rnn.bias_ih_l0", [0, 1, 0, -0.1]),
            ("rnn.weight_ch_l0", [0.25, -0.5, 0.75]),
        ] as [(String, [Float])] { parameters.values(layout[name]).update(from: values) }
        let network = try Network(model, parameters: parameters, batch: 1, steps: 1)
        for (token, (c, h)) in states.enumerated() {
            try network.forward([Int32(token)], steps: 1)
            #expect(abs(Double(network.state[0].elements[0]) - h) < 1e-6)
            #expect(abs(Double(network.state[1].elements[0]) - c) < 1e-6)
        }
    }

    /// What is absent starts at zero and has no gradient, so that no optimizer and no weight decay moves it.
    @Test(arguments: subsets) func rowsOfMissingGatesStayZero(gates: Set<Gate>) throws {
        let test = Case(gates: gates, peepholes: .diagonal, layers: 2)
        let model = test.model(vocabulary: 5, embedding: 3, hidden: 4)
        let layout = ParameterLayout(model)
        let (parameters, gradients) = (Arena(layout), Arena(layout))
        parameters.initialise(seed: 3)
        let network = try Network(model, parameters: parameters, gradients: gradients, batch: 2, steps: 3)
        try network.forward([0, 1, 2, 3, 4, 0], steps: 3)
        _ = try network.lossAndBackward([1, 2, 3, 4, 0, 1])
        for entry in layout.entries where entry.name.hasPrefix("rnn.") {
            let blocks = entry.name.contains("weight_ch") ? Gate.allCases.map { Optional($0) } : [.input, .forget, nil, .output]
            let size = entry.count / blocks.count
            for (block, gate) in blocks.enumerated() {
                let rows = block * size..<(block + 1) * size
                let isAbsent = gate.map { !gates.contains($0) } ?? false
                let isBias = entry.shape.count == 1
                #expect(rows.allSatisfy { parameters.values(entry)[$0] == 0 } == (isAbsent || isBias), "\(entry.name)")
                #expect(rows.allSatisfy { gradients.values(entry)[$0] == 0 } == isAbsent, "\(entry.name)")
            }
        }
    }

    /// ||a - b|| / ||b||, or ||a|| where b is zero.
    private func relativeDistance(_ a: [Double], _ b: [Double]) -> Double {
        let difference = zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        let norm = b.reduce(0) { $0 + $1 * $1 }
        return norm == 0 ? difference : (difference / norm).squareRoot()
    }
}
