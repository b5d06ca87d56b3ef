import Kernels
import Recurrent
import TestSupport
import Testing

/// Batches of whole sequences, with a label for each token or for each sequence: against the oracle, and alone against in company.
@Suite struct SequenceTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let cell: OracleCell
        var pooling: Pooling?
        var layers = 2
        var dropout: Float = 0
        var connections = Connections.none
        var bidirectional = false
        var testDescription: String { "\(cell), \(pooling.map { "label, \($0)" } ?? "tags"), layers \(layers), dropout \(dropout)\(bidirectional ? ", bidirectional, \(connections)" : "")" }
    }

    static let cells: [OracleCell] = [.elmanTanh, .elmanReLU, .lstm, .gruResetBefore, .gruResetAfter, .window, .lstmNormalized]
    static let cases =
        cells.flatMap { cell in [Case(cell: cell), Case(cell: cell, pooling: .last)] }
        + Pooling.allCases.flatMap { [Case(cell: .lstm, pooling: $0, layers: 1), Case(cell: .gruResetAfter, pooling: $0, dropout: 0.4)] }
        + cells.flatMap { cell in [Case(cell: cell, bidirectional: true), Case(cell: cell, pooling: .last, bidirectional: true)] }
        + Pooling.allCases.flatMap {
            [
                Case(cell: .lstm, pooling: $0, layers: 3, bidirectional: true),
                Case(cell: .elmanTanh, pooling: $0, dropout: 0.4, connections: .dense, bidirectional: true),
            ]
        }

    private static let (steps, vocabulary, labels, embedding, hidden) = (7, 11, 5, 6, 13)
    private static let lengths = [7, 3, 1, 6]

    private static func model(_ test: Case) -> ModelConfiguration {
        var model = GradientTests.configuration(
            .init(test.cell, Array(repeating: hidden, count: test.layers), tied: false, test.connections, dropout: DropoutRates(test.dropout)))
        model.bidirectional = test.bidirectional
        model.vocabulary = vocabulary
        model.embedding = embedding
        model.readsSequences = true
        model.output = test.pooling.map { .label(labels: labels, pooling: $0) } ?? .tags(labels: labels)
        return model
    }

    /// Sequences side by side, [T, B], padded with token 0.
    private struct Sentences {
        var steps: Int
        var lengths: [Int]
        var inputs: [Int32] = []
        var targets: [Int32] = []
        var starts: [Int32] = []

        /// - Parameter columns: of these sequences, in this order.
        init(_ columns: [Int], lengths: [Int], steps: Int, isLabelled: Bool) {
            self.steps = steps
            self.lengths = columns.map { lengths[$0] }
            for t in 0..<steps {
                for b in columns {
                    let length = lengths[b]
                    inputs.append(t < length ? Int32((3 * t * t + 5 * b + 2) % 11) : 0)
                    let isTarget = isLabelled ? t == length - 1 : t < length && (t + b) % 4 != 3
                    targets.append(isTarget ? Int32((t + 2 * b) % 5) : -1)
                    starts.append(t == 0 || t >= length ? 1 : 0)
                }
            }
        }
    }

    @Test(arguments: cases) func everyGradientMatchesTheOracle(test: Case) throws {
        let model = Self.model(test)
        var oracle = OracleModel.random(
            cell: test.cell, vocabulary: Self.vocabulary, embedding: Self.embedding,
            hidden: Array(repeating: Self.hidden, count: test.layers), connections: OracleConnections(rawValue: test.connections.rawValue)!,
            bidirectional: test.bidirectional, tied: false, seed: 42)
        // What is no label has probability 0.
        for row in Self.labels..<Self.vocabulary { oracle.parameters["decoder.bias"]![row] = -1e4 }
        let batch = Sentences(Array(0..<4), lengths: Self.lengths, steps: Self.steps, isLabelled: test.pooling != nil)
        var chunk = OracleChunk(
            steps: Self.steps, batch: 4, inputs: batch.inputs, targets: batch.targets, initialState: oracle.zeroState(batch: 4))
        chunk.lineStarts = batch.starts.map { $0 != 0 }
        chunk.resets = true
        chunk.pooling = test.pooling.map { OraclePool.Kind(rawValue: $0.rawValue)! }
        let context = test.dropout > 0 ? StepContext(seed: 3, step: 99) : nil
        if let context {
            let plan = DropoutPlan(model)
            chunk.dropout = (0...test.layers).map { site in
                let (mask, width) = (plan.mask(site, context), oracle.width(belowLayer: site))
                return (0..<Self.steps * 4 * width).map {
                    Double(mask.multiplier(site: site, stream: $0 / width % 4, time: $0 / width / 4, column: $0 % width))
                }
            }
        }
        let expected = oracle.run(chunk)

        let layout = ParameterLayout(model)
        #expect(layout["decoder.weight"].shape == [Self.labels, oracle.width(belowLayer: test.layers)])
        let (parameters, gradients) = (Arena(layout), Arena(layout))
        gradients.buffer.fill(.nan)
        gradients.values(layout["encoder.weight"]).fill(0)
        for entry in layout.entries {
            parameters.values(entry).update(from: oracle.parameters[entry.name]!.prefix(entry.count).map(Float.init))
        }
        let network = try Network(model, parameters: parameters, gradients: gradients, batch: 4, steps: Self.steps + 2)
        for buffer in network.state { buffer.fill(5) }  // irrelevant
        var losses: [Int: Double] = [:]
        try network.forward(batch.inputs, steps: Self.steps, starts: batch.starts, context: context)
        _ = try network.loss(batch.targets) { losses[$0] = $1 }
        var again: [Int: Double] = [:]
        let loss = try network.lossAndBackward(batch.targets) { again[$0] = $1 }
        #expect(again == losses)
        #expect(loss.tokens == expected.count && losses.count == expected.count)
        #expect(abs(loss.total - expected.loss) < 1e-5 * expected.loss)
        for (row, nats) in losses { #expect(abs(nats - expected.tokenLosses[row]) < 1e-5) }
        for entry in layout.entries {
            let difference = relativeDistance(
                gradients.values(entry).map(Double.init), Array(expected.gradients[entry.name]!.prefix(entry.count)))
            #expect(difference < 2e-6, "\(entry.name): \(difference)")
        }
    }

    /// Losses and logits of a sequence are the same bytes alone, in other company and with more padding; and more padding leaves
    /// the gradient of a batch, which it has no part in, as it is.
    @Test(arguments: cases.filter { $0.dropout == 0 }) func companyAndPaddingChangeNothing(test: Case) throws {
        let model = Self.model(test)
        let layout = ParameterLayout(model)
        let (parameters, gradients) = (Arena(layout), Arena(layout))
        parameters.initialise(seed: 4)
        for value in parameters.values(layout["decoder.bias"]).indices { parameters.values(layout["decoder.bias"])[value] = 0.1 }
        let network = try Network(model, parameters: parameters, gradients: gradients, batch: 4, steps: Self.steps + 4)
        func read(_ columns: [Int], steps: Int) throws -> [Int: [[Float]]] {
            let batch = Sentences(columns, lengths: Self.lengths, steps: steps, isLabelled: test.pooling != nil)
            network.batch = columns.count
            try network.forward(batch.inputs, steps: steps, starts: batch.starts)
            var results: [Int: [[Float]]] = [:]
            _ = try network.loss(batch.targets) { row, nats in
                results[columns[row % columns.count], default: []].append([Float(row / columns.count), Float(nats)])
            }
            try network.predictions(batch.targets) { row, logits in
                results[columns[row % columns.count], default: []].append([Float(row / columns.count)] + Array(logits))
            }
            return results
        }
        let together = try read([0, 1, 2, 3], steps: 7)
        #expect(together.count == 4)
        #expect(try read([3, 2, 0, 1], steps: 11) == together)
        for b in 0..<4 { #expect(try read([b], steps: Self.lengths[b])[b] == together[b]) }

        func gradient(steps: Int) throws -> [Float] {
            let batch = Sentences([0, 1, 2, 3], lengths: Self.lengths, steps: steps, isLabelled: test.pooling != nil)
            network.batch = 4
            try network.forward(batch.inputs, steps: steps, starts: batch.starts)
            _ = try network.lossAndBackward(batch.targets)
            return layout.entries.flatMap { Array(gradients.values($0)) }
        }
        #expect(try gradient(steps: 7) == gradient(steps: 10))
    }

    /// ||a - b|| / ||b||.
    private func relativeDistance(_ a: [Double], _ b: [Double]) -> Double {
        precondition(a.count == b.count)
        let difference = zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        let norm = b.reduce(0) { $0 + $1 * $1 }
        return norm == 0 ? difference : (difference / norm).squareRoot()
    }
}
