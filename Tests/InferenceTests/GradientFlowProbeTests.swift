import Corpus
import Diagnostics
import Foundation
import Inference
import Kernels
import Recurrent
import Reporting
import TestSupport
import Testing

@Suite struct GradientFlowProbeTests {
    private static func matrix(_ rows: [[Float]]) -> (Buffer, Matrix) {
        let buffer = Buffer(count: rows.count * rows[0].count)
        for (place, value) in rows.joined().enumerated() { buffer.elements[place] = value }
        return (buffer, Matrix(buffer.base, rows: rows.count, columns: rows[0].count))
    }

    /// Of real, complex and no eigenvalues.
    @Test(arguments: [
        ([[0.9, 0.2], [-0.3, 0.5]], 0.714143, 0.949459), ([[0, -2], [2, 0]], 2, 2), ([[3, 0], [0, -4]], 4, 4),
        ([[0, 5, 1], [0, 0, 7], [0, 0, 0]], 0, 7.138831), ([[0, 0], [0, 0]], 0, 0), ([[1e-6]], 1e-6, 1e-6),
    ] as [([[Float]], Double, Double)])
    func spectralRadiusAndNorm(rows: [[Float]], radius: Double, norm: Double) throws {
        let (buffer, matrix) = Self.matrix(rows)
        let found = try withExtendedLifetime(buffer) { (radius: try Spectrum.radius(of: matrix), norm: try Spectrum.norm(of: matrix)) }
        #expect(abs(found.radius - radius) <= 2e-5 * radius && abs(found.norm - norm) <= 2e-5 * norm, "\(found)")
    }

    private static func ids(_ count: Int) -> [Int32] { (0..<count).map { Int32(($0 * 7 + $0 / 5) % 11) } }
    private static func text(_ count: Int) -> TokenStore { TokenStore(ids(count)) }

    private static func model(_ cell: Cell) -> (ModelConfiguration, Arena) {
        var model = ModelConfiguration(cell: cell, vocabulary: 11, embedding: 4, hidden: 6, layers: 2, initialRange: 0.5)
        model.dropout = DropoutRates(0.5)
        let parameters = Arena(ParameterLayout(model))
        parameters.initialise(seed: 3)
        return (model, parameters)
    }

    /// Every position by itself, read by a network of one stream: the same numbers to the bit, whatever is read beside it.
    @Test(arguments: [Cell.lstm, .gru]) func aPositionDoesNotDependOnThoseBesideIt(cell: Cell) throws {
        let (model, parameters) = Self.model(cell)
        let (ids, lags, positions) = (Self.ids(1000), 5, 37)
        let flow = try GradientFlowProbe(model, parameters: parameters, text: TokenStore(ids), lags: lags, positions: positions).measure()
        #expect(flow.positions == Array(repeating: positions, count: lags + 1) && flow.lags == lags)
        let network = try Network(model, parameters: parameters, gradients: Arena(parameters.layout), batch: 1, steps: lags + 1)
        var norms = [[Double]](repeating: [], count: lags + 1)
        let length = (ids.count - 1) / positions
        for position in 0..<positions {
            network.resetState()
            let tokens = Array(ids[position * length...position * length + 2 * (lags + 1)])
            try network.forward(Array(tokens[...lags]), steps: lags + 1)
            try network.forward(Array(tokens[(lags + 1)..<(2 * lags + 2)]), steps: lags + 1)
            let layer = try network.stateGradients(fromLastStep: [tokens.last!]).layers[1]
            for lag in 0...lags { norms[lag].append(layer.hidden[lags - lag]) }
        }
        #expect(flow.states.map(\.text) == (cell == .lstm ? ["layer 1, h", "layer 1, c", "layer 2, h", "layer 2, c"] : ["layer 1, h", "layer 2, h"]))
        #expect(flow.states.first { $0.text == "layer 2, h" } == GradientFlow.State(layer: 2, name: "h", norms: norms))
        #expect(flow.recurrentWeights.map(\.gate) == (cell == .lstm ? ["i", "f", "g", "o", "i", "f", "g", "o"] : ["r", "z", "n", "r", "z", "n"]))
    }

    /// A short text has fewer positions, and a very short one fewer lags.
    @Test func shortTexts() throws {
        let (model, parameters) = Self.model(.elman)
        func flow(_ tokens: Int) throws -> GradientFlow {
            try GradientFlowProbe(model, parameters: parameters, text: Self.text(tokens), lags: 9).measure()
        }
        #expect(try flow(61).positions == Array(repeating: 3, count: 10))
        #expect(try flow(12).positions == Array(repeating: 1, count: 10))
        #expect(try flow(5).positions == [1, 1, 1, 1])
        #expect(try flow(2).positions == [1])
        #expect(throws: PartitionError.self) { try flow(1) }
    }

    /// Over the end of a line nothing is counted: no gradient passes there.
    @Test func linesEndTheGradient() throws {
        var (model, parameters) = Self.model(.elman)
        model.lineEnd = LineEnd(token: 3, rule: .cut)
        let flow = try GradientFlowProbe(model, parameters: parameters, text: Self.text(1000), lags: 8, positions: 30).measure()
        #expect(flow.positions[0] == 30 && flow.positions[8] < 20 && zip(flow.positions, flow.positions.dropFirst()).allSatisfy { $0 >= $1 })
        #expect(flow.states.allSatisfy { $0.lowerQuartile.allSatisfy { ($0 ?? 1) > 0 } })
    }
}
