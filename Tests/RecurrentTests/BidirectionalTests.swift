import Foundation
import Kernels
import Recurrent
import TestSupport
import Testing

extension GradientTests {
    /// Layers in both directions: every cell alone, over sequences of unequal lengths, and with everything that may be around it.
    static let bothDirections: [Case] = {
        let everywhere = rates(0, 0.3, 0.4, 0.2)
        var weights = everywhere
        weights.weights = 0.4
        let cases = cells.flatMap { cell in
            [
                Case(cell, [hidden, 9], tied: false), Case(cell, sizes(1), tied: false, lineEnd: .reset),
                Case(cell, [9, 5, hidden], tied: true, lineEnd: .reset),
                Case(cell, sizes(2), tied: false, .highway, dropout: everywhere, lineEnd: .reset),
            ]
        }
        let further = [
            Case(.lstm, sizes(2), tied: true, .residual, lineEnd: .reset), Case(.gruResetAfter, [9, 17], tied: false, .dense, lineEnd: .reset),
            Case(.lstm, [9, 17], tied: false, dropout: weights, lineEnd: .reset), Case(.gruResetBefore, sizes(2), tied: false, .dense, dropout: weights),
        ]
        return (cases + further).map {
            var test = $0
            test.bidirectional = true
            return test
        }
    }()
}

/// Bidirectional layers of torch.nn over packed sequences, as Tests/pytorch/make_bidirectional_fixture.py ran them and explains it.
private struct BidirectionalFixture: Decodable {
    struct Case: Decodable {
        var cell: String
        var layers: Int
        /// Row-major, by PyTorch's name.
        var parameters: [String: [Double]]
        /// Of each sequence, nats of each prediction.
        var losses: [[Double]]
        /// L2 norm of the gradient of the summed loss, by name.
        var gradientNorms: [String: Double]
    }

    var vocabulary: Int
    var embedding: Int
    var hidden: Int
    /// Of each sequence, tokens and targets.
    var inputs: [[Int32]]
    var targets: [[Int32]]
    var cases: [Case]

    static func load() throws -> BidirectionalFixture {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let file = Bundle.module.resourceURL!.appending(path: "Fixtures/bidirectional.json")
        return try decoder.decode(BidirectionalFixture.self, from: Data(contentsOf: file))
    }
}

@Suite struct BidirectionalTests {
    /// Tokens [T, B] of sequences of unequal lengths, which end with `padding` from the first position behind a sequence on.
    private func batch(_ sequences: [[Int32]], padding: Int32) -> [Int32] {
        let steps = sequences.map(\.count).max()!
        return (0..<steps).flatMap { t in sequences.map { t < $0.count ? $0[t] : padding } }
    }

    /// Losses and gradients of PyTorch's packed sequences, where each row is a sequence and then padding.
    @Test func lossesAndGradientsAreThoseOfPackedSequences() throws {
        let fixture = try BidirectionalFixture.load()
        #expect(fixture.cases.count == 9)
        for test in fixture.cases {
            var model = ModelConfiguration(
                cell: Cell(rawValue: test.cell)!, vocabulary: fixture.vocabulary, embedding: fixture.embedding, hidden: fixture.hidden,
                layers: test.layers, bidirectional: true)
            let padding = Int32(fixture.vocabulary - 1)  // a token that no sequence has: it starts a sequence of its own
            model.lineEnd = LineEnd(token: padding, rule: .reset)
            let layout = ParameterLayout(model)
            #expect(Set(layout.entries.map(\.name)) == Set(test.parameters.keys))
            let (parameters, gradients) = (Arena(layout), Arena(layout))
            for entry in layout.entries { parameters.values(entry).update(from: test.parameters[entry.name]!.map(Float.init)) }
            let count = fixture.inputs.count
            let (inputs, targets) = (batch(fixture.inputs, padding: padding), batch(fixture.targets, padding: -1))
            let steps = inputs.count / count
            let network = try Network(model, parameters: parameters, gradients: gradients, batch: count, steps: steps)
            try network.forward(inputs, steps: steps)
            var losses = fixture.inputs.map { _ in [Double]() }
            _ = try network.loss(targets) { row, nats in losses[row % count].append(nats) }
            _ = try network.lossAndBackward(targets)
            for (found, expected) in zip(losses, test.losses) {
                #expect(found.count == expected.count)
                for (a, b) in zip(found, expected) { #expect(abs(a - b) < 1e-5, "\(test.cell), \(test.layers) layers: \(a), not \(b)") }
            }
            for entry in layout.entries {
                let norm = gradients.values(entry).reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
                let expected = test.gradientNorms[entry.name]!
                #expect(abs(norm - expected) < 1e-5 * max(1, expected), "\(test.cell), \(test.layers) layers, \(entry.name): \(norm), not \(expected)")
            }
        }
    }

    private static let padding: Int32 = 8

    /// What the layers put out for a sequence, [length][2H], with others beside it.
    private func output(_ cell: Cell, layers: Int, of row: Int, in sequences: [[Int32]]) throws -> [[Float]] {
        var model = ModelConfiguration(
            cell: cell, window: cell == .window ? 3 : 1, vocabulary: 9, embedding: 5, hidden: 7, layers: layers, bidirectional: true,
            initialRange: 0.5)
        model.lineEnd = LineEnd(token: Self.padding, rule: .reset)
        let parameters = Arena(ParameterLayout(model))
        parameters.initialise(seed: 3)
        let inputs = batch(sequences, padding: Self.padding)
        let steps = inputs.count / sequences.count
        let network = try Network(model, parameters: parameters, batch: sequences.count, steps: 12)
        try network.forward(inputs, steps: steps)
        return sequences[row].indices.map { t in (0..<14).map { network.hidden.row(t * sequences.count + row)[$0] } }
    }

    /// The same to the byte whatever stands beside it, and however much padding follows.
    @Test(arguments: Cell.allCases) func aSequenceDoesNotDependOnItsCompany(cell: Cell) throws {
        let sequence: [Int32] = [3, 0, 5, 5, 1]
        let alone = try output(cell, layers: 2, of: 0, in: [sequence])
        #expect(try output(cell, layers: 2, of: 1, in: [[1, 2], sequence, [4, 4, 0, 1, 2, 3, 5, 6, 7, 0]]) == alone)
        #expect(try output(cell, layers: 2, of: 2, in: [[7, 7, 7, 7, 7, 7], [0], sequence]) == alone)
    }

    @Test(arguments: Cell.allCases) func theFirstHalfSeesThePastAndTheSecondTheFuture(cell: Cell) throws {
        let before = try output(cell, layers: 1, of: 0, in: [[3, 0, 5, 5, 1]])
        let after = try output(cell, layers: 1, of: 0, in: [[3, 0, 2, 5, 1]])
        #expect(after[0].prefix(7) == before[0].prefix(7) && after[0].suffix(7) != before[0].suffix(7))
        #expect(after[4].prefix(7) != before[4].prefix(7) && after[4].suffix(7) == before[4].suffix(7))
    }

    /// Those of torch.nn.LSTM(5, 7, 2, bidirectional=True), and what reads it.
    @Test func namesAndShapesAreThoseOfPyTorch() {
        let model = ModelConfiguration(cell: .lstm, vocabulary: 9, embedding: 5, hidden: 7, layers: 2, bidirectional: true)
        let found = ParameterLayout(model).entries.map { "\($0.name) \($0.shape)" }
        let layers = [("l0", 5), ("l0_reverse", 5), ("l1", 14), ("l1_reverse", 14)].flatMap { name, width in
            ["rnn.weight_ih_\(name) [28, \(width)]", "rnn.weight_hh_\(name) [28, 7]", "rnn.bias_ih_\(name) [28]", "rnn.bias_hh_\(name) [28]"]
        }
        #expect(found == ["encoder.weight [9, 5]"] + layers + ["decoder.weight [9, 14]", "decoder.bias [9]"])
    }
}
