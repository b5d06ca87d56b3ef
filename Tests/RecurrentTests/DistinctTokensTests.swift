import Kernels
import Recurrent
import Testing

/// The lowest layer computes with the distinct tokens of a chunk, where enough of its rows repeat one.
@Suite struct DistinctTokensTests {
    private static let (steps, batch) = (4, 3)
    /// Five tokens in twelve rows; one in neighbouring rows, one in the first and the last.
    private static let tokens: [Int32] = [6, 2, 2, 9, 2, 0, 0, 0, 7, 2, 9, 6]

    private static func model(_ cell: Cell, _ normalization: Normalization = .none) -> ModelConfiguration {
        var model = ModelConfiguration(cell: cell, normalization: normalization, vocabulary: 11, embedding: 7, hidden: 19, layers: 2)
        model.lineEnd = LineEnd(token: 9, rule: .reset)
        return model
    }

    private static func parameters(_ model: ModelConfiguration) -> Arena {
        let parameters = Arena(ParameterLayout(model))
        parameters.initialise(seed: 5)
        return parameters
    }

    /// Forward: the bytes are those of each token read by itself.
    @Test(arguments: [Cell.elman, .lstm, .gru, .gruResetAfter], [Normalization.none, .layer])
    func statesAreThoseOfSingleTokens(cell: Cell, normalization: Normalization) throws {
        let model = Self.model(cell, normalization)
        let parameters = Self.parameters(model)
        let together = try Network(model, parameters: parameters, batch: Self.batch, steps: Self.steps)
        try together.forward(Self.tokens, steps: Self.steps)
        #expect(together.inputRows.forward == 5)
        for b in 0..<Self.batch {
            let alone = try Network(model, parameters: parameters, batch: 1, steps: 1)
            for t in 0..<Self.steps {
                let row = t * Self.batch + b
                try alone.forward([Self.tokens[row]], steps: 1)
                withExtendedLifetime((alone, together)) {
                    let (one, many) = (alone.hidden, together.hidden.row(row))
                    #expect((0..<one.columns).allSatisfy { one.base[$0] == many[$0] }, "row \(row)")
                }
            }
        }
    }

    /// Backward: the gradient is that of a chunk in which every token is another one with the same vector, whose rows then are added up;
    /// up to rounding, since the order of sums is another.
    @Test(arguments: [Cell.elman, .lstm, .gru, .gruResetAfter], [Normalization.none, .layer])
    func gradientsAreThoseOfRowsOfTheirOwn(cell: Cell, normalization: Normalization) throws {
        func gradients(_ model: ModelConfiguration, _ parameters: Arena, _ inputs: [Int32], rows: Int) throws -> Arena {
            let gradients = Arena(parameters.layout)
            let network = try Network(model, parameters: parameters, gradients: gradients, batch: Self.batch, steps: Self.steps)
            try network.forward(inputs, steps: Self.steps)
            #expect(network.inputRows.forward == rows && network.inputRows.backward == rows)
            _ = try network.lossAndBackward(Self.tokens)
            return gradients
        }
        let model = Self.model(cell, normalization)
        let parameters = Self.parameters(model)
        let found = try gradients(model, parameters, Self.tokens, rows: 5)
        // Token 11 i + id is id, in row i; line ends must keep their id.
        var wide = model
        wide.vocabulary = 11 * 12
        wide.lineEnd = nil
        var narrow = model
        narrow.lineEnd = nil
        let many = Arena(ParameterLayout(wide))
        for entry in parameters.layout.entries {
            let (source, target) = (parameters.values(entry), many.values(many.layout[entry.name]))
            for (index, value) in target.indices.enumerated() { target[value] = source[source.startIndex + index % source.count] }
        }
        let apart = try gradients(wide, many, Self.tokens.enumerated().map { Int32($0.offset * 11) + $0.element }, rows: 12)
        let plain = try gradients(narrow, parameters, Self.tokens, rows: 5)
        for name in ["encoder.weight", "rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.bias_ih_l0", "rnn.weight_ih_l1"] {
            let (a, b) = (plain.values(plain.layout[name]), apart.values(apart.layout[name]))
            var largest: Float = 0
            for index in 0..<a.count {
                let sum = stride(from: index, to: b.count, by: a.count).reduce(Float(0)) { $0 + b[b.startIndex + $1] }
                largest = max(largest, abs(a[a.startIndex + index] - sum))
            }
            #expect(largest < 1e-5, "\(name): \(largest)")
        }
        #expect(found.values(found.layout["encoder.weight"]).contains { $0 != 0 })
    }

    /// Sums by shards: to the bit those of each shard in a network of its own, which counts its own tokens. The first repeats many of
    /// eight, the second none, the third just enough.
    @Test(arguments: [Cell.elman, .lstm, .gru, .gruResetAfter], [Normalization.none, .layer])
    func shardsCountTheirOwn(cell: Cell, normalization: Normalization) throws {
        let shards: [[Int32]] = [[6, 2, 2, 9, 2, 6, 0, 2], [0, 1, 2, 3, 4, 5, 6, 7], [10, 2, 9, 10, 8, 1, 2, 7]]
        let (width, batch) = (2, 6)
        let model = Self.model(cell, normalization)
        let parameters = Self.parameters(model)
        func network(_ nodes: [(shards: Range<Int>, gradients: Arena)]) throws -> Network {
            let sums = try GradientSums(
                model, nodes: nodes.map { GradientSums.Node(shards: $0.shards, gradients: $0.gradients) }, width: width, steps: Self.steps)
            return try Network(
                model, parameters: parameters, sums: sums, batch: nodes.last!.shards.upperBound * width, steps: Self.steps,
                firstStream: 0, clock: PhaseClock())
        }
        func run(_ network: Network, _ chunk: [Int32]) throws {
            try network.forward(chunk, steps: Self.steps)
            _ = try network.lossAndBackward(chunk)
        }
        let alone = try shards.map { tokens in
            let gradients = Arena(parameters.layout)
            try run(network([(0..<1, gradients)]), tokens)
            return gradients
        }
        let chunk = (0..<Self.steps * batch).map { row in
            let (step, stream) = (row / batch, row % batch)
            return shards[stream / width][step * width + stream % width]
        }
        let apart = (0..<3).map { _ in Arena(parameters.layout) }
        let all = try network((0..<3).map { ($0..<$0 + 1, apart[$0]) })
        try run(all, chunk)
        #expect(all.inputRows.forward == 11 && all.inputRows.backward == 4 + 8 + 6)
        let together = Arena(parameters.layout)
        try run(network([(0..<3, together)]), chunk)
        for entry in parameters.layout.entries {
            let values = alone.map { Array($0.values(entry)) }
            for shard in 0..<3 { #expect(Array(apart[shard].values(entry)) == values[shard], "\(entry.name) of shard \(shard)") }
            let sums = zip(zip(values[0], values[1]), values[2]).map { ($0.0 + $0.1) + $1 }
            #expect(Array(together.values(entry)) == sums, "\(entry.name), all shards")
        }
    }

    /// Where vectors do not depend on the token alone, or hardly a token repeats, each row is computed.
    @Test func otherwiseAllRowsAre() throws {
        func rows(tokens: [Int32] = Self.tokens, _ change: (inout ModelConfiguration) -> Void = { _ in }) throws -> [Int] {
            var model = Self.model(.lstm)
            change(&model)
            let network = try Network(
                model, parameters: Self.parameters(model), gradients: Arena(ParameterLayout(model)), batch: Self.batch, steps: Self.steps)
            try network.forward(tokens, steps: Self.steps, context: StepContext(seed: 1, step: 1))
            return [network.inputRows.forward, network.inputRows.backward]
        }
        #expect(try rows() == [5, 5])
        #expect(try rows { $0.dropout.embedding = 0.5 } == [5, 5], "whole words are dropped")
        #expect(try rows { $0.dropout.hidden = 0.5 } == [5, 5])
        #expect(try rows { $0.dropout.input = 0.5 } == [12, 12])
        #expect(try rows { $0.dropout.weights = 0.5 } == [12, 12])
        #expect(try rows { $0.bidirectional = true } == [12, 12])
        #expect(try rows { $0.connections = .dense } == [12, 12])
        #expect(try rows { $0.cell = .window } == [12, 12])
        #expect(try rows(tokens: [0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2]) == [9, 9])
        #expect(try rows(tokens: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]) == [12, 12])
    }
}
