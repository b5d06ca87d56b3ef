import Collectives
import Corpus
import Elementary

/// The loss of a text under a model, with the counts needed to compare it with another model's.
package struct Evaluation: Sendable, Equatable {
    /// Summed negative log likelihood, nats.
    package let total: Double
    /// Predictions scored: every token but the first.
    package let tokens: Int
    /// The number of streams that the text was split into; each starts from a zero state.
    package let streams: Int
    /// The part of the sum and count that belongs to predictions of `<unk>`; zero unless requested.
    package let unknownTotal: Double
    package let unknownTokens: Int
    /// Predictions of the right label; nil where tokens are predicted.
    package var correct: Int?

    /// The share of right labels; nil where tokens are predicted.
    package var accuracy: Double? { correct.map { Double($0) / Double(tokens) } }
    package var nats: Double { total / Double(tokens) }
    package var bits: Double { nats / Elementary.logarithm(2) }
    /// exp(nats); infinite if that overflows.
    package var perplexity: Double { Elementary.exponential(nats) }
    /// The perplexity over the predictions of all tokens but `<unk>`; nil if there are none.
    package var perplexityWithoutUnknown: Double? {
        tokens == unknownTokens ? nil : Elementary.exponential((total - unknownTotal) / Double(tokens - unknownTokens))
    }
}

/// Scores every prediction of a text once, without dropout, on one or many ranks.
///
/// A model whose state is reset at line ends first reads one, without predicting it, so that the first line is read as all others
/// are: with S = 1, the result is then the sum of the lines' scores (`Scorer`) but for the first token's.
///
/// The text is cut into S streams; with S = 1, the default of `lockstep evaluate`, the result is that of reading it from
/// left to right. The result is the same to the bit for any number of ranks: a prediction's loss does not depend on the
/// streams beside it, a stream's losses are added up in order, and then the streams.
package final class Evaluator {
    /// Time steps computed together, unless the predictor asks for another number.
    package static let chunkLength = 64
    /// Streams computed side by side at the most: more are no faster, and take more memory.
    static let widestGroup = 64

    private let communicator: any Communicator
    private let partition: StreamPartition
    private let tokens: TokenStore
    private let unknown: Int32?
    /// Streams computed together, one group after another.
    private let groups: [Range<Int>]
    private let predictor: any TokenPredictor
    private var inputs: [Int32]
    private var targets: [Int32]

    /// - Parameters:
    ///   - predictor: reads every stream; refreshed at each `run`. Ranks may use only as much of it as their streams need.
    ///   - streams: S. Ranks beyond S have none and only take part in the sum.
    ///   - unknown: the id of `<unk>`, if its predictions should be summed separately as well.
    /// - Throws: `PartitionError.tooFewTokens`, `KernelError`.
    package init(
        _ predictor: any TokenPredictor, tokens: TokenStore, streams: Int, unknown: Int32? = nil,
        communicator: any Communicator
    ) throws {
        self.predictor = predictor
        self.communicator = communicator
        self.tokens = tokens
        self.unknown = unknown
        partition = try StreamPartition(tokens: tokens.count, streams: streams, remainder: .shared, name: tokens.path, setting: "--streams")
        groups = Evaluator.groups(of: Evaluator.share(communicator.rank, of: communicator.size, in: streams))
        let width = groups.map(\.count).max() ?? 0
        if width > 0 { try predictor.reserve(streams: width, steps: predictor.chunkLength) }
        inputs = Array(repeating: 0, count: predictor.chunkLength * width)
        targets = inputs
    }

    /// `streams` in groups that are as equal as can be.
    private static func groups(of streams: Range<Int>) -> [Range<Int>] {
        let count = (streams.count + widestGroup - 1) / widestGroup
        return (0..<count).map { index in
            let group = share(index, of: count, in: streams.count)
            return streams.lowerBound + group.lowerBound..<streams.lowerBound + group.upperBound
        }
    }

    /// Divides as equally as possible; with fewer items than shares, some shares are empty.
    private static func share(_ index: Int, of shares: Int, in count: Int) -> Range<Int> {
        if count < shares { return min(index, count)..<min(index + 1, count) }
        return index * count / shares..<(index + 1) * count / shares
    }

    /// Streams that are read side by side on the rank that has the most.
    package static func width(streams: Int, ranks: Int) -> Int { min(widestGroup, (max(1, streams) - 1) / ranks + 1) }

    /// Collective.
    /// - Parameters:
    ///   - progress: called often with the share of this rank's predictions that are done, 0 to 1, the last time before it
    ///   waits for the other ranks.
    ///   - each: called with the stream and the loss of each prediction of this rank, a stream's in order.
    /// - Throws: `OutputNotFinite` on all ranks alike; `KernelError`; transport errors.
    package func run(
        progress: ((_ share: Double) -> Void)? = nil, each: ((_ stream: Int, _ nats: Double) -> Void)? = nil
    ) throws -> Evaluation {
        let evaluation = try run(progress: progress, each: each, unless: { false })!
        guard evaluation.total.isFinite else { throw OutputNotFinite() }
        return evaluation
    }

    /// As above, but stops early if a rank asks for it.
    /// - Parameter isStopping: called occasionally.
    /// - Returns: nil on all ranks if it was true on one.
    package func run(
        progress: ((_ share: Double) -> Void)?, each: ((_ stream: Int, _ nats: Double) -> Void)? = nil, unless isStopping: () -> Bool
    ) throws -> Evaluation? {
        let streams = partition.streams
        let own = groups.joined().reduce(0) { $0 + partition.length(of: $1) }
        var done = 0
        // Of each stream: the loss, and how much of it and how many predictions are those of <unk>. Then how many ranks stop.
        var sums = [Double](repeating: 0, count: 3 * streams + 1)
        if !groups.isEmpty { try predictor.refresh() }
        for group in groups {
            predictor.reset(streams: group.count)
            if let start = predictor.lineStart {
                for stream in group.indices { inputs[stream - group.lowerBound] = start }
                try predictor.read(inputs, steps: 1)
            }
            var chunks = try ChunkIterator(tokens, partition: partition, streams: group)
            while chunks.position.epoch == 0, sums[3 * streams] == 0 {
                if isStopping() { sums[3 * streams] = 1 }
                let chunk = inputs.withUnsafeMutableBufferPointer { inputs in
                    targets.withUnsafeMutableBufferPointer { targets in
                        chunks.next(length: predictor.chunkLength, inputs: inputs, targets: targets)
                    }
                }
                progress?(Double(done) / Double(own))
                done += chunk.steps * group.count
                try predictor.read(inputs, steps: chunk.steps)
                try predictor.losses(of: targets) { row, nats in
                    let stream = group.lowerBound + row % group.count
                    sums[stream] += nats
                    each?(stream, nats)
                    if self.targets[row] == self.unknown {
                        sums[streams + stream] += nats
                        sums[2 * streams + stream] += 1
                    }
                }
            }
        }
        progress?(1)
        // Each stream's numbers are on one rank and zero on the others, so this sum is exact.
        try sums.withUnsafeMutableBufferPointer { try communicator.sum($0) }
        if sums[3 * streams] > 0 { return nil }
        return Evaluation(
            total: sums[..<streams].reduce(0, +), tokens: partition.predictions, streams: streams,
            unknownTotal: sums[streams..<2 * streams].reduce(0, +),
            unknownTokens: Int(sums[2 * streams..<3 * streams].reduce(0, +)))
    }
}
