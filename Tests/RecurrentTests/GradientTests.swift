import Kernels
import Recurrent
import TestSupport
import Testing

/// Every tensor of every cell against the double-precision oracle, which is itself checked by finite differences.
@Suite struct GradientTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let cell: OracleCell
        /// H of each layer.
        let hidden: [Int]
        let tied: Bool
        var connections = Connections.none
        var dropout = DropoutRates(0)
        var lineEnd = LineEnd.Rule.carry
        var penalties = OutputPenalties()
        var bidirectional = false
        var testDescription: String {
            "\(cell) \(hidden) \(connections)\(bidirectional ? " bidirectional" : "")\(tied ? " tied" : "")\(dropout == DropoutRates(0) ? "" : dropout.isLocked ? " locked dropout" : " dropout")\(lineEnd == .carry ? "" : ", \(lineEnd)")\(penalties == OutputPenalties() ? "" : " penalised")"
        }

        init(_ cell: OracleCell, _ hidden: [Int], tied: Bool, _ connections: Connections = .none, dropout: DropoutRates = DropoutRates(0),
            lineEnd: LineEnd.Rule = .carry
        ) {
            (self.cell, self.hidden, self.tied, self.connections, self.dropout) = (cell, hidden, tied, connections, dropout)
            self.lineEnd = lineEnd
        }
    }

    /// Odd, unequal sizes, so that a transposed or shifted tensor shows; H above one vector of eight.
    static let (steps, batch, vocabulary, embedding, hidden) = (5, 3, 11, 6, 13)

    static func sizes(_ layers: Int) -> [Int] { Array(repeating: hidden, count: layers) }

    static let cells: [OracleCell] = OracleCell.allCases
    static let cases =
        cells.flatMap { cell in (1...3).flatMap { layers in [false, true].map { Case(cell, sizes(layers), tied: $0) } } }
        + cells.map { Case($0, sizes(2), tied: false, dropout: DropoutRates(0.4)) }

    /// Sums of input and output need equal widths; what a dense network's head reads is wider than the embedding.
    static let connected = cells.flatMap { cell in
        (1...3).flatMap { layers in
            [
                Case(cell, sizes(layers), tied: layers == 2, .residual), Case(cell, sizes(layers), tied: layers == 2, .highway),
                Case(cell, [hidden, 9, 17].suffix(layers), tied: false, .dense),
            ]
        }
    }

    static let unequal = cells.flatMap { cell in
        [Case(cell, [hidden, 9], tied: false), Case(cell, [9, 17, embedding], tied: true), Case(cell, [5, hidden, 7], tied: false)]
    }

    /// A rate for each site, and each site alone.
    static let sites = [
        rates(0.3, 0.1, 0.5, 0.2), rates(0.4, 0, 0, 0), rates(0, 0.4, 0, 0), rates(0, 0, 0.4, 0), rates(0, 0, 0, 0.4),
    ].flatMap { rates in
        [false, true].map { Case(.lstm, sizes(3), tied: $0, dropout: rates) } + [
            Case(.gruResetAfter, sizes(2), tied: true, .highway, dropout: rates), Case(.elmanTanh, [9, 17], tied: false, .dense, dropout: rates),
            Case(.lstm, sizes(1), tied: true, .residual, dropout: rates),
        ]
    }

    static func rates(_ embedding: Float, _ input: Float, _ hidden: Float, _ output: Float) -> DropoutRates {
        var rates = DropoutRates(0)
        (rates.embedding, rates.input, rates.hidden, rates.output) = (embedding, input, hidden, output)
        return rates
    }

    /// Locked masks and penalties on the output, each alone and both, where lines end and where connections are.
    static let regularised: [Case] = {
        var locked = rates(0.1, 0.3, 0.4, 0.2)
        locked.isLocked = true
        var penalties = OutputPenalties()
        (penalties.activation, penalties.slowness) = (2, 1.5)
        var cases = cells.map { Case($0, sizes(2), tied: false, dropout: locked) }
        cases += [
            Case(.lstm, sizes(1), tied: true), Case(.lstm, [9, 17, 6], tied: true, dropout: locked),
            Case(.gruResetBefore, sizes(2), tied: false, dropout: locked, lineEnd: .reset), Case(.elmanTanh, sizes(2), tied: false, lineEnd: .cut),
            Case(.gruResetAfter, sizes(2), tied: true, .highway, dropout: locked), Case(.window, [9, 17], tied: false, .dense, dropout: locked),
        ]
        return cases.map {
            var test = $0
            test.penalties = penalties
            return test
        } + [Case(.lstm, sizes(2), tied: false, dropout: locked)]
    }()

    /// Alone and with the dropout of values, in every cell that has recurrent weights.
    static let weightDropped = cells.filter { $0.base != .window }.flatMap { cell in
        [DropoutRates(0), rates(0.1, 0.3, 0.4, 0.2)].enumerated().map { index, rates in
            var rates = rates
            rates.weights = 0.4
            return Case(cell, [hidden, 17], tied: false, index == 1 ? .dense : .none, dropout: rates, lineEnd: index == 1 ? .reset : .carry)
        }
    }

    static let lineEnd: Int32 = 4

    static let lines = [LineEnd.Rule.cut, .reset].flatMap { rule in
        cells.flatMap { cell in
            (1...3).map { layers in
                Case(cell, sizes(layers), tied: layers == 1, dropout: DropoutRates(layers == 3 ? 0.4 : 0), lineEnd: rule)
            }
        } + [
            Case(.lstm, sizes(2), tied: false, .residual, lineEnd: rule), Case(.gruResetBefore, sizes(3), tied: true, .highway, lineEnd: rule),
            Case(.elmanTanh, [9, 17], tied: false, .dense, lineEnd: rule),
        ]
    }

    static func configuration(_ test: Case) -> ModelConfiguration {
        let (cell, activation): (Cell, Activation) =
            switch test.cell.base {
            case .elmanTanh: (.elman, .tanh)
            case .elmanSigmoid: (.elman, .sigmoid)
            case .elmanReLU: (.elman, .relu)
            case .lstm: (.lstm, .tanh)
            case .gruResetBefore: (.gru, .tanh)
            case .gruResetAfter: (.gruResetAfter, .tanh)
            default: (.window, .tanh)
            }
        let width = (test.bidirectional ? 2 : 1) * test.hidden.last!
        var model = ModelConfiguration(
            cell: cell, activation: activation, window: cell == .window ? OracleCell.windowLength : 1,
            normalization: test.cell.isNormalized ? .layer : .none, vocabulary: vocabulary,
            embedding: test.tied || test.connections.needsEqualWidths ? width : embedding, hidden: test.hidden,
            connections: test.connections, bidirectional: test.bidirectional, dropout: test.dropout, tied: test.tied)
        model.lineEnd = LineEnd(token: lineEnd, rule: test.lineEnd)
        model.penalties = test.penalties
        return model
    }

    @Test(arguments: cases + connected + unequal + sites + lines + regularised + weightDropped + bothDirections)
    func everyGradientMatchesTheOracle(test: Case) throws {
        let configuration = Self.configuration(test)
        let oracle = OracleModel.random(
            cell: test.cell, vocabulary: Self.vocabulary, embedding: configuration.embedding, hidden: test.hidden,
            connections: OracleConnections(rawValue: test.connections.rawValue)!, bidirectional: test.bidirectional, tied: test.tied, seed: 42)
        var chunk = OracleChunk.random(for: oracle, steps: Self.steps, batch: Self.batch, seed: 7)
        let context = test.dropout == DropoutRates(0) ? nil : StepContext(seed: 3, step: 99)
        let firstStream = 5
        if let context {
            let plan = DropoutPlan(configuration)
            chunk.dropout = (0...test.hidden.count).map { site in
                let (mask, width) = (plan.mask(site, context), oracle.width(belowLayer: site))
                return (0..<Self.steps * Self.batch * width).map { index in
                    let row = index / width
                    return Double(
                        mask.multiplier(
                            site: site, stream: firstStream + row % Self.batch, time: row / Self.batch,
                            column: index % width))
                }
            }
            let words = Dropout(rate: test.dropout.embedding, seed: context.seed, step: context.step)
            chunk.wordDropout = (0..<Self.vocabulary).map {
                Double(words.multiplier(site: DropoutPlan.wordSite, stream: $0, time: 0, column: 0))
            }
        }
        if test.lineEnd != .carry {
            // At the start and the end of the chunk, in the midst of it, and twice in a row.
            let places = [1, 4, 6, 9, 14]  // t * B + b
            for row in chunk.inputs.indices {
                chunk.inputs[row] = places.contains(row) ? Self.lineEnd : chunk.inputs[row] == Self.lineEnd ? 0 : chunk.inputs[row]
            }
            chunk.lineStarts = chunk.inputs.map { $0 == Self.lineEnd }
            chunk.resets = test.lineEnd == .reset
        }
        chunk.penalties = OraclePenalties(
            activation: Double(test.penalties.activation), slowness: Double(test.penalties.slowness))
        var weightMasks: [String: [Double]] = [:]
        if let context, test.dropout.weights > 0 {
            let mask = Dropout(rate: test.dropout.weights, seed: context.seed, step: context.step)
            for (layer, columns) in test.hidden.enumerated() {
                for (suffix, site) in [("", DropoutPlan.weightSite), ("_reverse", DropoutPlan.reverseWeightSite)].prefix(test.bidirectional ? 2 : 1) {
                    weightMasks["rnn.weight_hh_l\(layer)\(suffix)"] = (0..<test.cell.gates * columns * columns).map {
                        Double(mask.multiplier(site: site + layer, stream: 0, time: $0 / columns, column: $0 % columns))
                    }
                }
            }
        }
        var dropped = oracle
        for (name, mask) in weightMasks { dropped.parameters[name] = zip(oracle.parameters[name]!, mask).map { $0 * $1 } }
        var expected = dropped.run(chunk)
        for (name, mask) in weightMasks { expected.gradients[name] = zip(expected.gradients[name]!, mask).map { $0 * $1 } }

        let layout = ParameterLayout(configuration)
        let (parameters, gradients) = (Arena(layout), Arena(layout))
        gradients.buffer.fill(.nan)  // whatever is not written shows
        // The embedding's gradient is added to.
        if !configuration.tied { gradients.values(layout["encoder.weight"]).fill(0) }
        for entry in layout.entries {
            parameters.values(entry).update(from: oracle.parameters[entry.name]!.map(Float.init))
        }
        // Made for longer chunks than it gets, as for the last chunk of an epoch.
        let model = try Network(
            configuration, parameters: parameters, gradients: gradients, batch: Self.batch, steps: Self.steps + 2,
            firstStream: firstStream)
        setState(model, to: chunk.initialState)
        var losses: [Int: Double] = [:]
        try model.forward(chunk.inputs, steps: Self.steps, context: context)
        _ = try model.loss(chunk.targets) { losses[$0] = $1 }
        _ = try model.lossAndBackward(chunk.targets)
        model.rewind()
        try model.forward(chunk.inputs, steps: Self.steps, context: context)
        let loss = try model.lossAndBackward(chunk.targets)

        #expect(loss.tokens == expected.count)
        #expect(abs(loss.total - expected.loss) < 1e-5 * expected.loss)
        for (index, nats) in losses { #expect(abs(nats - expected.tokenLosses[index]) < 1e-5) }
        for entry in layout.entries {
            let difference = relativeDistance(gradients.values(entry).map(Double.init), expected.gradients[entry.name]!)
            #expect(difference < 2e-6, "\(entry.name): \(difference)")
        }
        let states = model.state.map { $0.elements.map(Double.init) }
        for (state, want) in zip(states, expected.finalState.flatMap { $0.cell.isEmpty ? [$0.hidden] : [$0.hidden, $0.cell] }) {
            #expect(relativeDistance(state, want) < 1e-6)
        }
    }

    private func setState(_ model: Network, to state: [OracleState]) {
        let vectors = state.flatMap { $0.cell.isEmpty ? [$0.hidden] : [$0.hidden, $0.cell] }
        for (buffer, values) in zip(model.state, vectors) {
            buffer.elements.update(from: values.map(Float.init))
        }
    }

    /// ||a - b|| / ||b||.
    private func relativeDistance(_ a: [Double], _ b: [Double]) -> Double {
        precondition(a.count == b.count)
        let difference = zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        let norm = b.reduce(0) { $0 + $1 * $1 }
        return norm == 0 ? difference : (difference / norm).squareRoot()
    }

    /// Two chunks in a row carry the state: the same losses as one long chunk. The second is shorter than the window.
    @Test(arguments: Cell.allCases, Normalization.allCases)
    func carriedStateContinuesTheSequence(cell: Cell, normalization: Normalization) throws {
        let configuration = ModelConfiguration(
            cell: cell, window: cell == .window ? 5 : 1, normalization: normalization, vocabulary: 9, embedding: 5, hidden: 7, layers: 2, initialRange: 0.5)
        let parameters = Arena(ParameterLayout(configuration))
        parameters.initialise(seed: 1)
        let tokens: [Int32] = (0..<24).map { Int32(($0 * 5 + $0 / 3) % 9) }  // [T=8, B=3]
        let targets: [Int32] = tokens.map { ($0 + 2) % 9 }
        let long = try Network(configuration, parameters: parameters, batch: 3, steps: 8)
        try long.forward(tokens, steps: 8)
        let whole = try long.loss(targets).total
        let short = try Network(configuration, parameters: parameters, batch: 3, steps: 5)
        var parts = 0.0
        for range in [0..<5, 5..<8] {
            try Array(tokens[range.lowerBound * 3..<range.upperBound * 3]).withUnsafeBufferPointer {
                try short.forward($0.baseAddress!, steps: range.count)
                parts += try short.loss(Array(targets[range.lowerBound * 3..<range.upperBound * 3])).total
            }
        }
        #expect(abs(whole - parts) < 1e-5)
        short.resetState()
        #expect(short.state.allSatisfy { $0.elements.allSatisfy { $0 == 0 } })
    }

    /// A vocabulary so large that the logits come in several blocks gives the gradients of one block.
    @Test func blocksOfLogitsAddUp() throws {
        let large = ModelConfiguration(
            cell: .elman, vocabulary: 2_000_000, embedding: 2, hidden: 3, layers: 1, initialRange: 0.3)
        let layout = ParameterLayout(large)
        let (parameters, gradients) = (Arena(layout), Arena(layout))
        parameters.initialise(seed: 2)
        let model = try Network(large, parameters: parameters, gradients: gradients, batch: 2, steps: 10)
        let tokens: [Int32] = (0..<20).map { $0 * 99_999 }
        try model.forward(tokens, steps: 10)
        let loss = try model.lossAndBackward(tokens)
        #expect(loss.tokens == 20)
        #expect(abs(loss.mean - 14.5087) < 0.5)  // about log 2,000,000
        // Softmax minus one-hot sums to zero over the vocabulary, and each target's entry to about -1.
        let bias = gradients.values(layout["decoder.bias"])
        #expect(abs(bias.reduce(0.0) { $0 + Double($1) }) < 1e-3)
        for token in tokens { #expect(abs(bias[Int(token)] + 1) < 1e-3) }
    }
}
