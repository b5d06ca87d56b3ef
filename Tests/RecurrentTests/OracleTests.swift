import Randomness
import TestSupport
import Testing

/// Checks the checker: everything else is compared with `OracleModel`, so its gradients are compared with nothing but
/// its own forward pass (central differences); the forward pass itself with PyTorch's, in TrainingTests.
struct OracleTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var cell: OracleCell
        var layers: Int
        var tied: Bool
        var dropoutRate = 0.0
        var connections = OracleConnections.none
        /// H of each layer; nil: of one size.
        var sizes: [Int]?
        var isPenalised = false
        var testDescription: String {
            "\(cell), layers \(layers), tied \(tied), dropout \(dropoutRate), \(connections), \(sizes ?? [])\(isPenalised ? ", penalised" : "")"
        }

        /// Odd, unequal sizes, so that a transposed matrix shows.
        func model() -> OracleModel {
            .random(
                cell: cell, vocabulary: 11, embedding: tied || connections != .none ? 6 : 4,
                hidden: sizes ?? Array(repeating: 6, count: layers), connections: connections, tied: tied, seed: 1)
        }

        static let all = OracleCell.allCases.flatMap { cell in
            [
                Case(cell: cell, layers: 1, tied: false), Case(cell: cell, layers: 1, tied: true),
                Case(cell: cell, layers: 2, tied: false), Case(cell: cell, layers: 2, tied: true, dropoutRate: 0.4),
                Case(cell: cell, layers: 3, tied: false, dropoutRate: 0.4), Case(cell: cell, layers: 3, tied: true),
                Case(cell: cell, layers: 2, tied: true, sizes: [5, 6]), Case(cell: cell, layers: 3, tied: false, sizes: [5, 3, 7]),
                Case(cell: cell, layers: 2, tied: true, dropoutRate: 0.4, connections: .residual),
                Case(cell: cell, layers: 2, tied: false, dropoutRate: 0.4, connections: .highway),
                Case(cell: cell, layers: 3, tied: false, dropoutRate: 0.4, connections: .dense, sizes: [5, 3, 7]),
            ]
        } + [
            Case(cell: .lstm, layers: 2, tied: true, dropoutRate: 0.4, isPenalised: true),
            Case(cell: .gruResetAfter, layers: 2, tied: false, connections: .highway, isPenalised: true),
        ]
    }

    /// With weights on the final state, so that the gradient entering the last step is checked too.
    static func chunk(for model: OracleModel, _ test: Case) -> OracleChunk {
        var chunk = OracleChunk.random(for: model, steps: 5, batch: 3, dropoutRate: test.dropoutRate, seed: 2)
        if test.isPenalised { chunk.penalties = OraclePenalties(activation: 5, slowness: 3) }
        var numbers = PhiloxSequence(seed: 3, purpose: .sampling)
        chunk.finalStateWeights = OracleChunk.randomState(for: model, batch: 3, using: &numbers)
        return chunk
    }

    /// The differentiated value: the summed loss plus penalties and the weighted final state.
    static func objective(_ model: OracleModel, _ chunk: OracleChunk) -> Double {
        let result = model.run(chunk)
        return zip(result.finalState, chunk.finalStateWeights!).reduce(result.loss + result.penalty) { sum, layer in
            sum + zip(layer.0.hidden + layer.0.cell, layer.1.hidden + layer.1.cell).reduce(0) { $0 + $1.0 * $1.1 }
        }
    }

    /// |slope - difference| / |difference| over four random directions, in each of which every element has its part:
    /// one wrong element spoils them all.
    static func relativeError(_ gradient: [Double], objective: (_ change: [Double]) -> Double) -> Double {
        let epsilon = 1e-5
        var numbers = PhiloxSequence(seed: 7, purpose: .sampling)
        var error = 0.0
        var size = 0.0
        for _ in 0..<4 {
            let direction = gradient.map { _ in numbers.normal() / Double(gradient.count).squareRoot() }
            let slope = zip(gradient, direction).reduce(0) { $0 + $1.0 * $1.1 }
            let ahead = objective(direction.map { $0 * epsilon })
            let behind = objective(direction.map { -$0 * epsilon })
            let difference = (ahead - behind) / (2 * epsilon)
            error += (slope - difference) * (slope - difference)
            size += difference * difference
        }
        return (error / size).squareRoot()
    }

    @Test(arguments: Case.all)
    func parameterGradientsMatchFiniteDifferences(of testCase: Case) {
        let model = testCase.model()
        let chunk = Self.chunk(for: model, testCase)
        let gradients = model.run(chunk).gradients
        #expect(Set(gradients.keys) == Set(model.parameters.keys))
        for (name, gradient) in gradients {
            let error = Self.relativeError(gradient) { change in
                var changed = model
                changed.parameters[name] = zip(model.parameters[name]!, change).map { $0 + $1 }
                return Self.objective(changed, chunk)
            }
            #expect(error < 1e-6, "\(name)")
        }
    }

    @Test(arguments: Case.all)
    func initialStateGradientsMatchFiniteDifferences(of testCase: Case) {
        let model = testCase.model()
        let chunk = Self.chunk(for: model, testCase)
        let gradients = model.run(chunk).initialStateGradients
        var parts: [WritableKeyPath<OracleState, [Double]>] = [\.hidden]
        if testCase.cell.base == .lstm { parts.append(\.cell) }
        for layer in gradients.indices {
            for part in parts {
                let error = Self.relativeError(gradients[layer][keyPath: part]) { change in
                    var changed = chunk
                    changed.initialState[layer][keyPath: part] =
                        zip(chunk.initialState[layer][keyPath: part], change).map { $0 + $1 }
                    return Self.objective(model, changed)
                }
                #expect(error < 1e-6, "layer \(layer)")
            }
        }
    }

    /// Two chunks with the state carried between them are one long chunk.
    @Test(arguments: OracleCell.allCases)
    func carriedStateContinuesTheForwardPass(cell: OracleCell) {
        let model = Case(cell: cell, layers: 2, tied: false).model()
        let whole = OracleChunk.random(for: model, steps: 5, batch: 3, seed: 4)
        let cut = 2 * 3
        let expected = model.run(whole)
        let first = model.run(
            OracleChunk(
                steps: 2, batch: 3, inputs: Array(whole.inputs[..<cut]), targets: Array(whole.targets[..<cut]),
                initialState: whole.initialState))
        let second = model.run(
            OracleChunk(
                steps: 3, batch: 3, inputs: Array(whole.inputs[cut...]), targets: Array(whole.targets[cut...]),
                initialState: first.finalState))
        #expect(first.tokenLosses + second.tokenLosses == expected.tokenLosses)
        #expect(second.finalState == expected.finalState)
        #expect(first.count + second.count == expected.count)
    }

    /// A position without a prediction costs nothing, is not counted, and still moves the state on.
    @Test func positionsWithoutTargetAreNotScored() {
        let model = Case(cell: .lstm, layers: 1, tied: false).model()
        var chunk = OracleChunk.random(for: model, steps: 5, batch: 3, seed: 5)
        chunk.targets = Array(repeating: 2, count: 15)
        let all = model.run(chunk)
        chunk.targets[4] = -1
        let masked = model.run(chunk)
        #expect(all.count == 15)
        #expect(masked.count == 14)
        #expect(masked.tokenLosses[4] == 0)
        #expect(abs(all.loss - masked.loss - all.tokenLosses[4]) < 1e-12)
        #expect(masked.finalState == all.finalState)
    }

    /// All weights zero: every token has probability 1/V.
    @Test func zeroWeightsGiveTheUniformDistribution() {
        var model = Case(cell: .gruResetBefore, layers: 1, tied: false).model()
        model.parameters = model.parameters.mapValues { $0.map { _ in 0 } }
        let result = model.run(OracleChunk.random(for: model, steps: 5, batch: 3, seed: 6))
        #expect(abs(result.loss / Double(result.count) - 2.3978952727983707) < 1e-14)  // ln 11
    }
}
