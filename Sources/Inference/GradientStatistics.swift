import Corpus
import Kernels
import Recurrent

/// How large the gradient of each parameter usually is: the root of its mean square over batches of training text, by which
/// dynamic evaluation divides and decays (Krause et al. 2018). docs/mathematics.md (54).
package final class GradientStatistics {
    /// Streams that the training text is cut into, at most. A batch has one segment of each.
    package static let streams = 100
    /// Batches, at most: the first segments of every stream.
    package static let batches = 100

    let rootMeanSquares: Arena
    /// The mean over the parameters' tensors of each tensor's mean.
    let mean: Double

    /// - Parameters:
    ///   - model: read only.
    ///   - text: training text.
    ///   - unroll: tokens of a segment.
    ///   - progress: called with the share of the batches that are done, 0 to 1.
    /// - Throws: `OutputNotFinite`, `PartitionError.tooFewTokens`, `KernelError`.
    package init(_ model: RecurrentPredictor, text: TokenStore, unroll: Int, progress: (_ share: Double) -> Void = { _ in }) throws {
        let layout = model.parameters.layout
        rootMeanSquares = Arena(layout)
        let squares = rootMeanSquares.buffer.row()
        let gradients = Arena(layout)
        let streams = GradientStatistics.width(of: text.count)
        let partition = try StreamPartition(tokens: text.count, streams: streams, remainder: .dropped, name: text.path)
        let network = try Network(model.configuration, parameters: model.parameters, gradients: gradients, batch: streams, steps: unroll)
        var chunks = try ChunkIterator(text, partition: partition, streams: 0..<streams)
        var inputs = [Int32](repeating: 0, count: streams * unroll)
        var targets = inputs
        var batches = 0
        while chunks.position.epoch == 0, batches < GradientStatistics.batches {
            progress(Double(batches) / Double(GradientStatistics.batches))
            let chunk = inputs.withUnsafeMutableBufferPointer { inputs in
                targets.withUnsafeMutableBufferPointer { targets in chunks.next(length: unroll, inputs: inputs, targets: targets) }
            }
            try network.forward(inputs, steps: chunk.steps)
            let loss = try network.lossAndBackward(targets)
            guard loss.total.isFinite else { throw OutputNotFinite() }
            let (g, scale) = (gradients.buffer.row(), 1 / Float(loss.tokens))
            for j in LaneBlocks(layout.count) {
                let mean = g[j] * scale
                squares[j] = squares[j] + mean * mean
            }
            batches += 1
        }
        let share = 1 / Float(batches)
        for j in LaneBlocks(layout.count) { squares[j] = squareRoot(squares[j] * share) }
        let means = layout.entries.map { [rootMeanSquares] entry in
            rootMeanSquares.values(entry).withUnsafe { $0.reduce(0.0) { $0 + Double($1) } } / Double(entry.count)
        }
        mean = means.reduce(0, +) / Double(means.count)
        guard mean.isFinite else { throw OutputNotFinite() }
        progress(1)
    }

    /// Streams that a training text of this length is cut into: each has a segment to read.
    static func width(of tokens: Int) -> Int { max(1, min(streams, (tokens - 1) / 2)) }
}
