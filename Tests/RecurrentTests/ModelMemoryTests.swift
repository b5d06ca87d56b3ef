import Kernels
import Recurrent
import Testing

@Suite struct ModelMemoryTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var cell: Cell
        var normalization = Normalization.none
        var training = true
        var dropout = DropoutRates(0)
        var tied = false
        var hidden = [61, 61]
        var connections = Connections.none
        /// Shards of each node; empty: no shards.
        var nodes: [Int] = []
        var lineEnd = LineEnd.Rule.carry
        var isAdaptive = false
        var isSampled = false
        var bidirectional = false
        var output: Output?
        var testDescription: String { "\(cell.rawValue)\(normalization == .layer ? " normalised" : "") \(hidden) \(connections)\(training ? "" : " evaluated")\(tied ? " tied" : ""), \(dropout), \(nodes), line ends \(lineEnd)\(isAdaptive ? ", adaptive softmax" : "")\(isSampled ? ", sampled" : "")\(bidirectional ? ", bidirectional" : "")\(output.map { ", sequences, \($0)" } ?? "")" }
    }

    private static let weightDrop: DropoutRates = {
        var rates = DropoutRates(0)
        rates.weights = 0.5
        return rates
    }()

    static let cases =
        Cell.allCases.flatMap { cell in
            [
                Case(cell: cell), Case(cell: cell, training: false), Case(cell: cell, dropout: DropoutRates(0.5)),
                Case(cell: cell, nodes: [4]), Case(cell: cell, nodes: [2, 1]), Case(cell: cell, nodes: [1]),
                Case(cell: cell, tied: true), Case(cell: cell, tied: true, nodes: [3, 1]),
                Case(cell: cell, tied: true, hidden: [90, 61]), Case(cell: cell, hidden: [90, 13, 61], nodes: [2, 1]),
                Case(cell: cell, dropout: GradientTests.rates(0.1, 0.2, 0, 0.3), hidden: [90, 13, 61]),
                Case(cell: cell, dropout: weightDrop, hidden: [90, 61], nodes: [2, 1]), Case(cell: cell, training: false, dropout: weightDrop),
                Case(cell: cell, lineEnd: .reset), Case(cell: cell, training: false, lineEnd: .reset), Case(cell: cell, lineEnd: .cut),
                Case(cell: cell, normalization: .layer), Case(cell: cell, normalization: .layer, training: false),
                Case(cell: cell, normalization: .layer, nodes: [2, 1]),
                Case(cell: cell, hidden: [90, 13, 61], bidirectional: true), Case(cell: cell, training: false, lineEnd: .reset, bidirectional: true),
                Case(cell: cell, normalization: .layer, dropout: weightDrop, connections: .dense, nodes: [2, 1], lineEnd: .reset, bidirectional: true),
                Case(cell: cell, connections: .dense, bidirectional: true, output: .label(labels: 5, pooling: .last)),
            ]
        }
        + [
            Case(cell: .lstm, isAdaptive: true), Case(cell: .lstm, training: false, isAdaptive: true),
            Case(cell: .lstm, nodes: [4], isAdaptive: true), Case(cell: .lstm, nodes: [2, 1], isAdaptive: true),
            Case(cell: .lstm, nodes: [1], isAdaptive: true), Case(cell: .elman, connections: .dense, nodes: [3, 1], isAdaptive: true),
            Case(cell: .lstm, isSampled: true), Case(cell: .lstm, training: false, isSampled: true), Case(cell: .lstm, tied: true, isSampled: true),
            Case(cell: .lstm, nodes: [4], isSampled: true), Case(cell: .lstm, tied: true, nodes: [2, 1], isSampled: true),
        ]
        + [Output.next, .tags(labels: 9), .label(labels: 2, pooling: .last), .label(labels: 7, pooling: .max)].flatMap { output in
            [Cell.lstm, .window].flatMap { cell in
                [
                    Case(cell: cell, output: output), Case(cell: cell, training: false, output: output),
                    Case(cell: cell, nodes: [2, 1], output: output),
                ]
            }
        }
        + Connections.allCases.flatMap { connections in
            [Cell.elman, .lstm].flatMap { cell in
                [
                    Case(cell: cell, connections: connections), Case(cell: cell, training: false, connections: connections),
                    Case(cell: cell, dropout: DropoutRates(0.5), connections: connections),
                    Case(cell: cell, connections: connections, nodes: [2, 1]), Case(cell: cell, connections: connections, bidirectional: true),
                ]
            }
        }

    /// Odd sizes, so that rounding shows.
    private static func model(_ test: Case) -> ModelConfiguration {
        var model = ModelConfiguration(
            cell: test.cell, window: test.cell == .window ? 5 : 1, normalization: test.normalization, vocabulary: 3001,
            embedding: test.tied || test.connections.needsEqualWidths ? test.bidirectional ? 122 : 61 : 97, hidden: test.hidden,
            connections: test.connections, bidirectional: test.bidirectional, dropout: test.dropout, tied: test.tied)
        model.lineEnd = LineEnd(token: 7, rule: test.lineEnd)
        if let output = test.output {
            model.output = output
            model.readsSequences = true
        }
        if test.isAdaptive {
            model.softmax = .adaptive(AdaptiveSoftmax(cutoffs: [101, 700], projections: [33, 9], vocabulary: model.vocabulary))
        }
        if test.isSampled {
            let counts = Array(repeating: 1, count: model.vocabulary)
            model.softmax = .sampled(SampledSoftmax(loss: .nce, samples: 77, power: 0.5, counts: counts))
        }
        return model
    }

    @Test(arguments: cases) func theFormulaIsExactToTheByte(test: Case) throws {
        let model = Self.model(test)
        let (batch, steps) = (12, 20)
        let shards = test.nodes.reduce(0, +)
        let memory = try #require(
            ModelMemory(model, batch: batch, steps: steps, training: test.training, optimizerSlots: 0, nodes: test.nodes))
        let tally = Buffer.Tally()
        try Buffer.$tally.withValue(tally) {
            let layout = ParameterLayout(model)
            let parameters = Arena(layout)
            let gradients = (0..<(test.training ? max(1, test.nodes.count) : 0)).map { _ in Arena(layout) }
            if test.nodes.isEmpty {
                _ = try Network(model, parameters: parameters, gradients: gradients.first, batch: batch, steps: steps)
            } else {
                var first = 0
                let nodes = zip(test.nodes, gradients).map { count, arena in
                    defer { first += count }
                    let apart = test.tied ? Buffer(count: model.vocabulary * model.embedding) : nil
                    return GradientSums.Node(
                        shards: first..<first + count, gradients: arena,
                        embedding: apart.map { Matrix($0.base, rows: model.vocabulary, columns: model.embedding) })
                }
                let sums = try GradientSums(model, nodes: nodes, width: batch / shards, steps: steps)
                _ = try Network(
                    model, parameters: parameters, sums: sums, batch: batch, steps: steps, firstStream: 0, clock: PhaseClock())
            }
        }
        #expect(memory.total == tally.bytes)
    }

    /// What each rank of a team allocates, of which some exists once for all of them.
    @Test(arguments: [Cell.elman, .lstm, .gru, .gruResetAfter], 0..<3) func theFormulaIsExactForTeams(cell: Cell, rank: Int) throws {
        for nodes in [[], [4], [1, 2]] { try requireExactness(cell, Team(rank: rank, size: 3), nodes: nodes) }
    }

    /// - Parameter nodes: shards of each node; empty: no shards.
    private func requireExactness(_ cell: Cell, _ team: Team, nodes: [Int]) throws {
        var model = ModelConfiguration(
            cell: cell, vocabulary: 301, embedding: 61, hidden: [50, 203], dropout: DropoutRates(0.5))
        model.lineEnd = LineEnd(token: 7, rule: .reset)
        let batch = 12
        let memory = try #require(
            ModelMemory(model, batch: batch, steps: 10, training: true, optimizerSlots: 0, nodes: nodes, team: team))
        let tally = Buffer.Tally()
        try Buffer.$tally.withValue(tally) {
            let layout = ParameterLayout(model)
            var first = 0
            let parts = nodes.map { count in
                defer { first += count }
                return GradientSums.Node(shards: first..<first + count, gradients: Arena(layout))
            }
            let sums =
                parts.isEmpty
                ? GradientSums(Arena(layout), batch: batch) : try GradientSums(model, nodes: parts, width: batch / first, steps: 10)
            _ = try Network(
                model, parameters: Arena(layout), sums: sums, batch: batch, steps: 10, firstStream: 0, team: team, clock: PhaseClock())
        }
        #expect(memory.total == tally.bytes)
        let own = memory.total - memory.parameters - memory.shared
        let alone = try #require(ModelMemory(model, batch: batch, steps: 10, training: true, optimizerSlots: 0, nodes: nodes))
        #expect(alone.shared == 0 && own > 0 && memory.total < alone.total)
    }

    /// Packed weights, which the ranks of a machine have once; of every cell, connections and heads.
    @Test(arguments: cases.filter { $0.nodes.isEmpty }) func packedWeightsAreThoseThatRanksShare(test: Case) throws {
        let model = Self.model(test)
        let words = Buffer(count: Barrier.count(size: 3))
        let barrier = Barrier(
            UnsafeMutableBufferPointer(start: words.base, count: words.count), of: words, rank: 1, size: 3, waiting: { _ in })
        var shared = 0
        let packers = Team(rank: 1, size: 3, barrier: barrier) {
            shared += $0
            return Buffer(count: $0)
        }
        let memory = try #require(
            ModelMemory(model, batch: 4, steps: 5, training: test.training, optimizerSlots: 0, packers: packers))
        let layout = ParameterLayout(model)
        _ = try Network(
            model, parameters: Arena(layout), sums: test.training ? GradientSums(Arena(layout), batch: 4) : nil, batch: 4, steps: 5,
            firstStream: 0, packers: packers, clock: PhaseClock())
        #expect(memory.packed == 4 * shared && memory.shared == memory.packed && shared > 0)
        let alone = try #require(ModelMemory(model, batch: 4, steps: 5, training: test.training, optimizerSlots: 0))
        #expect(alone.total == memory.total && alone.shared == 0)
    }

    /// Logits in several blocks.
    @Test func theFormulaIsExactForALargeVocabulary() throws {
        try requireExactness(ModelConfiguration(cell: .elman, vocabulary: 300_007, embedding: 3, hidden: 5, layers: 1))
    }

    private func requireExactness(_ model: ModelConfiguration) throws {
        let memory = try #require(ModelMemory(model, batch: 4, steps: 30, training: true, optimizerSlots: 0))
        let tally = Buffer.Tally()
        try Buffer.$tally.withValue(tally) {
            let layout = ParameterLayout(model)
            _ = try Network(model, parameters: Arena(layout), gradients: Arena(layout), batch: 4, steps: 30)
        }
        #expect(memory.total == tally.bytes)
    }

    /// A last tail in several blocks, beside a head in one.
    @Test func theFormulaIsExactForALargeTail() throws {
        var model = ModelConfiguration(cell: .elman, vocabulary: 300_007, embedding: 3, hidden: 5, layers: 1)
        model.softmax = .adaptive(AdaptiveSoftmax(cutoffs: [101, 7000], projections: [3, 2], vocabulary: model.vocabulary))
        try requireExactness(model)
    }

    @Test func overflowIsRefused() {
        let huge = ModelConfiguration(cell: .lstm, vocabulary: 1 << 40, embedding: 1 << 40, hidden: 1 << 30, layers: 1)
        #expect(ModelMemory(huge, batch: 1, steps: 1, training: true, optimizerSlots: 2) == nil)
    }
}
