import Corpus
import Kernels
import Recurrent
import Reporting

/// Measures how far back the loss of one position reaches: for positions all over a text, the gradient of that position's loss
/// alone with respect to every state before it.
///
/// The text is cut into as many streams as there are positions. Of each stream the network reads one chunk to get into a usual state,
/// and a second one, at whose last step the loss is differentiated. A stream's numbers do not depend on those beside it.
package struct GradientFlowProbe {
    /// The default number of positions.
    package static let positions = 128
    /// Streams that are read together, at most.
    private static let width = 32

    private let model: ModelConfiguration
    private let parameters: Arena
    private let text: TokenStore
    private let steps: Int
    private let streams: Int
    private let partition: StreamPartition

    /// - Parameters:
    ///   - model: measured without dropout and penalties, and with the loss that is validated.
    ///   - parameters: read only.
    ///   - lags: the largest k; fewer in a text that is too short.
    ///   - positions: at most; fewer in a short text.
    /// - Throws: `PartitionError.tooFewTokens`.
    package init(
        _ model: ModelConfiguration, parameters: Arena, text: TokenStore, lags: Int, positions: Int = positions
    ) throws {
        precondition(model.output == .next && lags > 0 && positions > 0)
        self.model = GradientFlowProbe.bare(model)
        self.parameters = parameters
        self.text = text
        steps = max(1, min(lags + 1, text.count - 1))
        streams = max(1, min(positions, (text.count - 1) / (2 * steps)))
        partition = try StreamPartition(tokens: text.count, streams: streams, remainder: .dropped, name: text.path)
    }

    private static func bare(_ model: ModelConfiguration) -> ModelConfiguration {
        var model = model
        model.dropout = DropoutRates(0)
        model.penalties = OutputPenalties()
        if case .sampled = model.softmax { model.softmax = .full }
        return model
    }

    /// Bytes that `measure` allocates at most, beside the parameters; nil on overflow.
    package static func memory(_ model: ModelConfiguration, lags: Int, positions: Int = positions) -> Int? {
        let batch = min(width, positions)
        guard let memory = ModelMemory(bare(model), batch: batch, steps: lags + 1, training: true, optimizerSlots: 0) else { return nil }
        let tokens = 2 * Double(batch) * Double(lags + 1)
        let spectrum = model.hidden.map { Spectrum.values($0) }.max() ?? 0
        return Int(exactly: (Double(memory.total - memory.parameters) + 4 * (tokens + spectrum)).rounded())
    }

    /// - Parameter progress: called with the share that is done, 0 to 1.
    /// - Throws: `OutputNotFinite` if a loss is not; `KernelError`.
    package func measure(progress: (_ share: Double) -> Void = { _ in }) throws -> GradientFlow {
        let batch = min(GradientFlowProbe.width, streams)
        let network = try Network(model, parameters: parameters, gradients: Arena(parameters.layout), batch: batch, steps: steps)
        var inputs = [Int32](repeating: 0, count: batch * steps)
        var targets = inputs
        var norms: [[[[Double]]]] = []  // of each layer, of h and c, by lag, of each position
        var (loss, counted) = (0.0, [Int](repeating: 0, count: steps))
        for first in stride(from: 0, to: streams, by: batch) {
            progress(Double(first) / Double(streams))
            // The last block repeats some streams, which are left out.
            let start = min(first, streams - batch)
            network.resetState()
            var chunks = try ChunkIterator(text, partition: partition, streams: start..<start + batch)
            func read(_ length: Int) throws {
                _ = inputs.withUnsafeMutableBufferPointer { inputs in
                    targets.withUnsafeMutableBufferPointer { targets in chunks.next(length: length, inputs: inputs, targets: targets) }
                }
                try network.forward(inputs, steps: length)
            }
            let before = min(steps, partition.steps - steps)
            if before > 0 { try read(before) }
            try read(steps)
            let found = try targets.withUnsafeBufferPointer {
                try network.stateGradients(fromLastStep: $0.baseAddress! + (steps - 1) * batch)
            }
            guard found.loss.total.isFinite else { throw OutputNotFinite() }
            loss += found.loss.total * Double(batch - (first - start)) / Double(batch)
            if norms.isEmpty {
                let none = [[Double]](repeating: [], count: steps)
                norms = found.layers.map { $0.cell.isEmpty ? [none] : [none, none] }
            }
            for b in first - start..<batch {
                for lag in 0..<reach(of: b, inputs, batch) {
                    let place = (steps - 1 - lag) * batch + b
                    counted[lag] += 1
                    for (layer, gradients) in found.layers.enumerated() {
                        norms[layer][0][lag].append(gradients.hidden[place])
                        if !gradients.cell.isEmpty { norms[layer][1][lag].append(gradients.cell[place]) }
                    }
                }
            }
        }
        progress(1)
        let states = norms.enumerated().flatMap { layer, vectors in
            zip(["h", "c"], vectors).map { GradientFlow.State(layer: layer + 1, name: $0, norms: $1) }
        }
        return GradientFlow(positions: counted, loss: loss / Double(streams), states: states, recurrentWeights: try recurrentWeights())
    }

    /// Lags to which a gradient passes: those up to the start of the line.
    private func reach(of stream: Int, _ inputs: [Int32], _ batch: Int) -> Int {
        guard let lineEnd = model.lineEnd else { return steps }
        let lag = (0..<steps).first { inputs[(steps - 1 - $0) * batch + stream] == lineEnd.token }
        return lag.map { $0 + 1 } ?? steps
    }

    private func recurrentWeights() throws -> [GradientFlow.RecurrentWeights] {
        var result: [GradientFlow.RecurrentWeights] = []
        for layer in 0..<model.layers {
            let name = "rnn.weight_hh_l\(layer)"
            guard parameters.layout.entries.contains(where: { $0.name == name }) else { continue }
            let weights = parameters.matrix(name)  // [G, H]
            let gates = weights.rows / weights.columns
            for gate in 0..<gates {
                let square = weights.rows(gate * weights.columns, count: weights.columns)
                result.append(
                    .init(
                        layer: layer + 1, gate: gates == 1 ? "" : model.cell.gateName(gate),
                        spectralRadius: try Spectrum.radius(of: square), norm: try Spectrum.norm(of: square)))
            }
        }
        return result
    }
}
