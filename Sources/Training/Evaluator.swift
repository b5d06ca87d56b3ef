import Collectives
import Corpus
import Glibc
import Recurrent

/// The loss of a text under a model, with what is needed to compare it with another's.
public struct Evaluation: Sendable, Equatable {
    /// Summed negative log likelihood, nats.
    public let total: Double
    /// Predictions scored: every token but the first.
    public let tokens: Int
    /// Parallel streams the text was cut into; each starts from a zero state.
    public let streams: Int

    public var nats: Double { total / Double(tokens) }
    public var bits: Double { nats / log(2) }
    /// exp(nats), infinite when that overflows.
    public var perplexity: Double { exp(nats) }
}

/// Scores every prediction of a text once, without dropout, on one or many ranks.
///
/// The text is cut into S streams; with S = 1, the default of `lockstep evaluate`, the result is that of reading it from
/// left to right. Chunks have a fixed length of the evaluator's own, which changes nothing but memory; the losses are
/// summed per stream and the streams in order, so that the number of ranks changes nothing either.
public final class Evaluator {
    /// Time steps computed together.
    static let chunkLength = 64

    private let communicator: any Communicator
    private let partition: StreamPartition
    private let tokens: TokenStore
    private let streams: Range<Int>
    private let model: LanguageModel?
    private var inputs: [Int32]
    private var targets: [Int32]

    /// - Parameters:
    ///   - parameters: read at each `run`; shared with a training step, which may change them in between.
    ///   - streams: S. Ranks beyond S have none and only take part in the sum.
    /// - Throws: `PartitionError.tooFewTokens`, `KernelError`.
    public init(
        _ configuration: ModelConfiguration, parameters: Arena, tokens: TokenStore, streams: Int,
        communicator: any Communicator
    ) throws {
        self.communicator = communicator
        self.tokens = tokens
        partition = try StreamPartition(tokens: tokens.count, streams: streams, remainder: .shared, name: tokens.path)
        self.streams = Evaluator.owned(by: communicator.rank, of: communicator.size, streams: streams)
        let batch = self.streams.count
        model =
            batch == 0
            ? nil : try LanguageModel(configuration, parameters: parameters, batch: batch, steps: Evaluator.chunkLength)
        inputs = Array(repeating: 0, count: Evaluator.chunkLength * batch)
        targets = inputs
    }

    /// The streams of one rank; fewer streams than ranks leave some without.
    static func owned(by rank: Int, of ranks: Int, streams: Int) -> Range<Int> {
        if streams < ranks { return min(rank, streams)..<min(rank + 1, streams) }
        return rank * streams / ranks..<(rank + 1) * streams / ranks
    }

    /// Memory of an evaluator's own, in bytes; nil on overflow.
    public static func memory(_ configuration: ModelConfiguration, streams: Int, ranks: Int) -> Int? {
        let batch = (streams + ranks - 1) / ranks
        return ModelMemory(configuration, batch: batch, steps: chunkLength, training: false, optimizerSlots: 0)?.activations
    }

    /// Collective. - Throws: `KernelError`; transport errors.
    public func run(_ heartbeat: Heartbeat = Heartbeat()) throws -> Evaluation {
        var losses = [Double](repeating: 0, count: partition.streams)
        if let model {
            try model.packWeights()
            model.resetState()
            var chunks = try ChunkIterator(tokens, partition: partition, streams: streams)
            let batch = streams.count
            while chunks.position.epoch == 0 {
                heartbeat.beat()
                let chunk = inputs.withUnsafeMutableBufferPointer { inputs in
                    targets.withUnsafeMutableBufferPointer { targets in
                        chunks.next(length: Evaluator.chunkLength, inputs: inputs, targets: targets)
                    }
                }
                try model.forward(inputs, steps: chunk.steps)
                _ = try model.loss(targets) { row, nats in losses[self.streams.lowerBound + row % batch] += nats }
            }
        }
        heartbeat.enter(.exchange)
        // Each stream's loss is on one rank and zero on the others, so this sum is exact.
        try losses.withUnsafeMutableBufferPointer { try communicator.sum($0) }
        return Evaluation(total: losses.reduce(0, +), tokens: partition.predictions, streams: partition.streams)
    }
}
