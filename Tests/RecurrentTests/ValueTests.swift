import Foundation
import Kernels
import Recurrent
import TestSupport
import Testing

/// As Tests/pytorch/make_values_fixture.py ran it and explains it.
private struct ValuesFixture: Decodable {
    struct Case: Decodable {
        var bidirectional: Bool
        /// Of each prediction, sequence by sequence.
        var errors: [Double]
        var outputs: [[Double]]
        /// Row-major, by name.
        var parameters: [String: [Double]]
        var gradients: [String: [Double]]
    }

    /// Of each sequence; nil for a row that is absent.
    var inputs: [[[Float]?]]
    var targets: [[[Float]?]]
    var encoded: Int
    var hidden: Int
    var cases: [Case]

    static func load() throws -> ValuesFixture {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let file = Bundle.module.resourceURL!.appending(path: "Fixtures/values.json")
        return try decoder.decode(ValuesFixture.self, from: Data(contentsOf: file))
    }
}

/// Networks that read and predict real numbers.
@Suite struct ValueTests {
    private func table(_ sequences: [[[Float]?]]) -> ValueTable {
        let columns = sequences.joined().lazy.compactMap(\.self).first!.count
        let rows = sequences.flatMap { $0 }.map { $0 ?? Array(repeating: .nan, count: columns) }
        let buffer = Buffer(count: rows.count * columns)
        buffer.elements.update(from: rows.flatMap { $0 })
        return ValueTable(buffer.base, rows: rows.count, columns: columns, of: buffer)
    }

    private static func model(_ fixture: ValuesFixture, bidirectional: Bool) -> ModelConfiguration {
        var model = ModelConfiguration(
            cell: .lstm, vocabulary: 1, embedding: fixture.encoded, hidden: fixture.hidden, layers: 1, bidirectional: bidirectional)
        model.values = 2
        model.output = .values(2)
        model.readsSequences = true
        return model
    }

    /// Errors, outputs and every gradient, with sequences of unequal lengths side by side.
    @Test(arguments: [false, true], [1, 3]) func numbersAreThoseOfPyTorch(bidirectional: Bool, shards: Int) throws {
        let fixture = try ValuesFixture.load()
        let expected = fixture.cases[bidirectional ? 1 : 0]
        let model = Self.model(fixture, bidirectional: bidirectional)
        let layout = ParameterLayout(model)
        let (parameters, gradients) = (Arena(layout), Arena(layout))
        gradients.buffer.fill(.nan)
        for entry in layout.entries { parameters.values(entry).update(from: expected.parameters[entry.name]!.map(Float.init)) }
        let lengths = fixture.inputs.map(\.count)
        let steps = lengths.max()!
        let sums =
            shards == 1
            ? GradientSums(gradients, batch: 3)
            : try GradientSums(model, nodes: [.init(shards: 0..<3, gradients: gradients)], width: 1, steps: steps)
        let network = try Network(
            model, parameters: parameters, sums: sums, batch: 3, steps: steps, firstStream: 0, clock: PhaseClock())
        network.inputValues = table(fixture.inputs)
        network.targetValues = table(fixture.targets)
        var (inputs, targets, starts): ([Int32], [Int32], [Int32]) = ([], [], [])
        for t in 0..<steps {
            var first = 0
            for length in lengths {
                inputs.append(Int32(first + min(t, length - 1)))
                targets.append(t < length ? Int32(first + t) : -1)
                starts.append(t == 0 || t >= length ? 1 : 0)
                first += length
            }
        }
        try network.forward(inputs, steps: steps, starts: starts)
        // Sequence by sequence.
        var (errors, outputs): ([Int: Double], [Int: [Double]]) = ([:], [:])
        func place(_ row: Int) -> Int { row % 3 * steps + row / 3 }
        _ = try network.loss(targets) { errors[place($0)] = $1 }
        try network.predictions(targets) { outputs[place($0)] = $1.map(Double.init) }
        var again: [Int: Double] = [:]
        let loss = try network.lossAndBackward(targets, each: shards > 1 ? nil : { again[place($0)] = $1 })
        #expect(shards > 1 || again == errors)
        #expect(loss.tokens == expected.errors.count)
        #expect(abs(loss.mean - expected.errors.reduce(0, +) / Double(expected.errors.count)) < 1e-5)
        let found = errors.sorted { $0.key < $1.key }.map(\.value)
        #expect(found.count == expected.errors.count && zip(found, expected.errors).allSatisfy { abs($0 - $1) < 1e-5 })
        let rows = outputs.filter { errors[$0.key] != nil }.sorted { $0.key < $1.key }.flatMap(\.value)
        #expect(zip(rows, expected.outputs.joined()).allSatisfy { abs($0 - $1) < 1e-5 })
        for entry in layout.entries {
            for (a, b) in zip(gradients.values(entry), expected.gradients[entry.name]!) {
                #expect(abs(Double(a) - b) < 1e-5, "\(entry.name): \(a), not \(b)")
            }
        }
        if shards > 1 { #expect(abs(network.shardLosses.reduce(0, +) - loss.total) < 1e-9 && network.shardLosses.count == 3) }
    }

    /// To the byte, as of every model.
    @Test(arguments: [[], [4], [2, 1]] as [[Int]], [false, true]) func memoryIsKnown(nodes: [Int], bidirectional: Bool) throws {
        var model = ModelConfiguration(
            cell: .gru, vocabulary: 1, embedding: 7, hidden: [5, 3], bidirectional: bidirectional, dropout: DropoutRates(0.5))
        (model.values, model.output, model.readsSequences) = (13, .values(3), true)
        let (batch, steps) = (12, 9)
        for training in nodes.isEmpty ? [true, false] : [true] {
            let memory = try #require(
                ModelMemory(model, batch: batch, steps: steps, training: training, optimizerSlots: 0, nodes: nodes))
            let tally = Buffer.Tally()
            try Buffer.$tally.withValue(tally) {
                let layout = ParameterLayout(model)
                let parameters = Arena(layout)
                let gradients = (0..<(training ? max(1, nodes.count) : 0)).map { _ in Arena(layout) }
                if nodes.isEmpty {
                    _ = try Network(model, parameters: parameters, gradients: gradients.first, batch: batch, steps: steps)
                } else {
                    var first = 0
                    let parts = zip(nodes, gradients).map { count, arena in
                        defer { first += count }
                        return GradientSums.Node(shards: first..<first + count, gradients: arena)
                    }
                    let sums = try GradientSums(model, nodes: parts, width: batch / first, steps: steps)
                    _ = try Network(
                        model, parameters: parameters, sums: sums, batch: batch, steps: steps, firstStream: 0, clock: PhaseClock())
                }
            }
            #expect(memory.total == tally.bytes)
        }
    }
}
