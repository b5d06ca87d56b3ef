import Kernels
import Recurrent
import TestSupport
import Testing

/// Real-time recurrent learning against back-propagation through time: two ways to one gradient.
@Suite struct RealTimeLearningTests {
    static let (inputs, targets) = ([0, 3, 1, 4, 4, 2, 0, 1, 3, 2, 4, 0], [3, 1, 4, 4, 2, 0, 1, 3, 2, 4, 0, 1])
    static let cases = OracleCell.allCases.flatMap { cell in [1, 2].map { (cell, $0) } }

    private func model(_ cell: OracleCell, layers: Int) -> OracleModel {
        OracleModel.random(
            cell: cell, layers: layers, vocabulary: 5, embedding: 3, hidden: 4, tied: false, range: 0.9, seed: 11)
    }

    /// Back-propagation through chunks of `length`, the state carried over.
    private func backpropagated(_ model: OracleModel, length: Int) -> [String: [Double]] {
        var sums: [String: [Double]] = [:]
        var state = model.zeroState(batch: 1)
        for start in stride(from: 0, to: Self.inputs.count, by: length) {
            let places = start..<start + length
            let chunk = OracleChunk(
                steps: length, batch: 1, inputs: Self.inputs[places].map(Int32.init),
                targets: Self.targets[places].map(Int32.init), initialState: state)
            let result = model.run(chunk)
            state = result.finalState
            sums.merge(result.gradients) { zip($0, $1).map { $0 + $1 } }
        }
        return sums
    }

    /// Greatest difference of any derivative.
    private func distance(_ a: [String: [Double]], _ b: [String: [Double]], of names: (String) -> Bool = { _ in true }) -> Double {
        a.filter { names($0.key) }.map { name, values in zip(values, b[name]!).map { abs($0 - $1) }.max()! }.max()!
    }

    @Test(arguments: cases) func bothWaysGiveOneGradient(cell: OracleCell, layers: Int) {
        let model = model(cell, layers: layers)
        let forward = RealTimeRecurrentLearning(model).run(inputs: Self.inputs, targets: Self.targets)
        #expect(Set(forward.gradients.keys) == Set(model.parameterShapes.map(\.name)))
        #expect(distance(forward.gradients, backpropagated(model, length: Self.inputs.count)) < 1e-10)
    }

    /// Truncation leaves out just what flows from one chunk into those before: without sensitivities at the chunks' starts,
    /// both ways agree again. The output layer, which has no memory, misses nothing.
    @Test(arguments: cases) func truncationLeavesOutWhatFlowsAcrossChunks(cell: OracleCell, layers: Int) {
        let model = model(cell, layers: layers)
        let learning = RealTimeRecurrentLearning(model)
        let whole = learning.run(inputs: Self.inputs, targets: Self.targets)
        let cut = learning.run(inputs: Self.inputs, targets: Self.targets, truncation: 4)
        let truncated = backpropagated(model, length: 4)
        #expect(cut.loss == whole.loss)
        #expect(distance(cut.gradients, truncated) < 1e-10)
        #expect(distance(whole.gradients, truncated) { $0.hasPrefix("decoder") } < 1e-10)
        #expect(distance(whole.gradients, truncated) { !$0.hasPrefix("decoder") } > 1e-3)
    }

    /// The network itself, in single precision, over the whole sequence.
    @Test func theNetworkAgrees() throws {
        let oracle = model(.lstm, layers: 2)
        let configuration = ModelConfiguration(cell: .lstm, vocabulary: 5, embedding: 3, hidden: 4, layers: 2)
        let layout = ParameterLayout(configuration)
        let (parameters, gradients) = (Arena(layout), Arena(layout))
        for entry in layout.entries { parameters.values(entry).update(from: oracle.parameters[entry.name]!.map(Float.init)) }
        let count = Self.inputs.count
        let network = try Network(configuration, parameters: parameters, gradients: gradients, batch: 1, steps: count)
        try network.forward(Self.inputs.map(Int32.init), steps: count)
        _ = try network.lossAndBackward(Self.targets.map(Int32.init))
        let expected = RealTimeRecurrentLearning(oracle).run(inputs: Self.inputs, targets: Self.targets).gradients
        let found = Dictionary(uniqueKeysWithValues: layout.entries.map { ($0.name, gradients.values($0).map(Double.init)) })
        #expect(distance(expected, found) < 1e-5)
    }
}
