import Collectives
import Corpus
import Elementary
import Recurrent

/// The loss of a text under a model, with what is needed to compare it with another's.
public struct Evaluation: Sendable, Equatable {
    /// Summed negative log likelihood, nats.
    public let total: Double
    /// Predictions scored: every token but the first.
    public let tokens: Int
    /// Parallel streams the text was cut into; each starts from a zero state.
    public let streams: Int
    /// Of these, what fell to predictions of `<unk>`; zero unless it was asked for.
    public let unknownTotal: Double
    public let unknownTokens: Int

    public var nats: Double { total / Double(tokens) }
    public var bits: Double { nats / Elementary.logarithm(2) }
    /// exp(nats), infinite when that overflows.
    public var perplexity: Double { Elementary.exponential(nats) }
    /// Over the predictions of all tokens but `<unk>`; nil when there are none.
    public var perplexityWithoutUnknown: Double? {
        tokens == unknownTokens ? nil : Elementary.exponential((total - unknownTotal) / Double(tokens - unknownTokens))
    }
}

/// Scores every prediction of a text once, without dropout, on one or many ranks.
///
/// The text is cut into S streams; with S = 1, the default of `lockstep evaluate`, the result is that of reading it from
/// left to right. Chunks have a fixed length of the evaluator's own, and the losses are summed per stream and the streams
/// in order.
public final class Evaluator {
    /// Which streams are computed side by side: products of other heights may differ in the last digit.
    public enum Grouping: Sendable {
        /// All of a rank's: the fastest.
        case byRank
        /// Groups that S alone decides, so that the result is the same to the bit for any number of ranks.
        case fixed
    }

    /// Time steps computed together.
    static let chunkLength = 64
    /// Streams of a fixed group at the most.
    static let widestGroup = 8

    private let communicator: any Communicator
    private let partition: StreamPartition
    private let tokens: TokenStore
    private let unknown: Int32?
    /// Streams computed side by side, one group after another.
    private let groups: [Range<Int>]
    /// By number of streams; groups differ by one at the most.
    private let models: [Int: LanguageModel]
    private var inputs: [Int32]
    private var targets: [Int32]

    /// - Parameters:
    ///   - parameters: read at each `run`; shared with a training step, which may change them in between.
    ///   - streams: S. Ranks beyond S have none and only take part in the sum.
    ///   - unknown: the id of `<unk>`, if its predictions are to be summed apart as well.
    /// - Throws: `PartitionError.tooFewTokens`, `KernelError`.
    public init(
        _ configuration: ModelConfiguration, parameters: Arena, tokens: TokenStore, streams: Int, unknown: Int32? = nil,
        grouping: Grouping = .byRank, communicator: any Communicator
    ) throws {
        self.communicator = communicator
        self.tokens = tokens
        self.unknown = unknown
        partition = try StreamPartition(tokens: tokens.count, streams: streams, remainder: .shared, name: tokens.path, setting: "--streams")
        groups = Evaluator.groups(grouping, streams: streams, rank: communicator.rank, ranks: communicator.size)
        let widths = Set(groups.map(\.count))
        models = try Dictionary(
            uniqueKeysWithValues: widths.map {
                ($0, try LanguageModel(configuration, parameters: parameters, batch: $0, steps: Evaluator.chunkLength))
            })
        inputs = Array(repeating: 0, count: Evaluator.chunkLength * (widths.max() ?? 0))
        targets = inputs
    }

    /// What one rank computes, of S streams.
    public static func groups(_ grouping: Grouping, streams: Int, rank: Int, ranks: Int) -> [Range<Int>] {
        switch grouping {
        case .byRank:
            let own = share(rank, of: ranks, in: streams)
            return own.isEmpty ? [] : [own]
        case .fixed:
            let count = (streams + widestGroup - 1) / widestGroup
            return share(rank, of: ranks, in: count).map { share($0, of: count, in: streams) }
        }
    }

    /// As equal as can be; fewer things than shares leave some without.
    private static func share(_ index: Int, of shares: Int, in count: Int) -> Range<Int> {
        if count < shares { return min(index, count)..<min(index + 1, count) }
        return index * count / shares..<(index + 1) * count / shares
    }

    /// Memory of an evaluator's own on the rank that needs most, in bytes; nil on overflow.
    public static func memory(
        _ configuration: ModelConfiguration, streams: Int, grouping: Grouping = .byRank, ranks: Int
    ) -> Int? {
        // Ranks differ by one stream at the most, or hold groups of both widths.
        let widths: Set<Int> =
            switch grouping {
            case .byRank: [(streams + ranks - 1) / ranks]
            case .fixed: Set(groups(.fixed, streams: streams, rank: 0, ranks: 1).map(\.count))
            }
        return widths.reduce(0) { sum, width in
            let memory = ModelMemory(configuration, batch: width, steps: chunkLength, training: false, optimizerSlots: 0)
            guard let sum, let memory else { return nil }
            let (total, overflow) = sum.addingReportingOverflow(memory.activations)
            return overflow ? nil : total
        }
    }

    /// Collective.
    /// - Parameter progress: called now and then with the share of this rank's predictions that are done, 0 to 1.
    /// - Throws: `OutputNotFinite` on all ranks alike; `KernelError`; transport errors.
    public func run(
        _ heartbeat: Heartbeat = Heartbeat(), progress: ((_ share: Double) -> Void)? = nil
    ) throws -> Evaluation {
        let evaluation = try run(heartbeat, progress: progress, unless: { false })!
        guard evaluation.total.isFinite else { throw OutputNotFinite() }
        return evaluation
    }

    /// As above, given up when a rank says so.
    /// - Parameter isStopping: asked now and then.
    /// - Returns: nil on all ranks when it was true on one.
    func run(
        _ heartbeat: Heartbeat, progress: ((_ share: Double) -> Void)?, unless isStopping: () -> Bool
    ) throws -> Evaluation? {
        let streams = partition.streams
        let own = groups.joined().reduce(0) { $0 + partition.length(of: $1) }
        var done = 0
        // Of each stream: the loss, and how much of it and how many predictions are those of <unk>. Then how many ranks stop.
        var sums = [Double](repeating: 0, count: 3 * streams + 1)
        for model in models.values { try model.packWeights() }
        for group in groups {
            let model = models[group.count]!
            model.resetState()
            var chunks = try ChunkIterator(tokens, partition: partition, streams: group)
            while chunks.position.epoch == 0, sums[3 * streams] == 0 {
                heartbeat.beat()
                if isStopping() { sums[3 * streams] = 1 }
                let chunk = inputs.withUnsafeMutableBufferPointer { inputs in
                    targets.withUnsafeMutableBufferPointer { targets in
                        chunks.next(length: Evaluator.chunkLength, inputs: inputs, targets: targets)
                    }
                }
                progress?(Double(done) / Double(own))
                done += chunk.steps * group.count
                try model.forward(inputs, steps: chunk.steps)
                _ = try model.loss(targets) { row, nats in
                    let stream = group.lowerBound + row % group.count
                    sums[stream] += nats
                    if self.targets[row] == self.unknown {
                        sums[streams + stream] += nats
                        sums[2 * streams + stream] += 1
                    }
                }
            }
        }
        heartbeat.enter(.exchange)
        // Each stream's numbers are on one rank and zero on the others, so this sum is exact.
        try sums.withUnsafeMutableBufferPointer { try communicator.sum($0) }
        if sums[3 * streams] > 0 { return nil }
        return Evaluation(
            total: sums[..<streams].reduce(0, +), tokens: partition.predictions, streams: streams,
            unknownTotal: sums[streams..<2 * streams].reduce(0, +),
            unknownTokens: Int(sums[2 * streams..<3 * streams].reduce(0, +)))
    }
}
