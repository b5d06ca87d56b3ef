import Collectives
import Corpus
import Elementary

/// The losses of a text under each part of a blend, from which the best weights of the parts follow.
///
/// Each rank has those of its streams. Whatever is added up over the text is added up by stream, in order, and then over the
/// streams, so that it is the same to the bit for any number of ranks.
package struct PartLosses {
    /// Streams that a text is cut into, at most: its length does not matter much to weights, and the streams are read side by side.
    package static let streams = 16
    /// The weights are known when none changes by more than this.
    static let tolerance = 1e-7
    private static let mostRounds = 10_000

    private let communicator: any Communicator
    private let parts: Int
    /// Predictions of the whole text.
    private let tokens: Int
    /// [stream][prediction, part], nats; empty for the streams of other ranks.
    private let nats: [[Double]]

    /// Collective. Reads a text.
    /// - Parameters:
    ///   - streams: fewer where the text has fewer predictions.
    ///   - progress: see `Evaluator.run`.
    /// - Throws: `OutputNotFinite`, `PartitionError`, `KernelError`, transport errors.
    package init(
        of blend: any Blend, text: TokenStore, streams: Int = streams, communicator: any Communicator,
        progress: ((_ share: Double) -> Void)? = nil
    ) throws {
        let streams = max(1, min(streams, text.count - 1))
        var nats = [[Double]](repeating: [], count: streams)
        let evaluator = try Evaluator(blend, tokens: text, streams: streams, communicator: communicator)
        tokens = try evaluator.run(progress: progress) { stream, _ in nats[stream] += blend.parts }.tokens
        parts = blend.parts.count
        self.nats = nats
        self.communicator = communicator
    }

    /// - Parameter nats: of one rank: [stream][prediction, part].
    package init(_ nats: [[Double]], parts: Int) {
        communicator = SingleRank()
        self.parts = parts
        self.nats = nats
        tokens = nats.reduce(0) { $0 + $1.count } / parts
    }

    /// Collective. The weights of some of the parts that make the text most probable, by expectation and maximisation
    /// (Dempster, Laird and Rubin 1977): from equal weights, each is replaced by its mean share in the mean's probabilities. The
    /// loss falls in every round, and has one minimum. docs/mathematics.md (51).
    /// - Parameter chosen: nil for all.
    /// - Returns: a weight for each part chosen, with the sum 1, and the loss of the text with them, nats.
    /// - Throws: transport errors.
    package func bestWeights(of chosen: [Int]? = nil) throws -> (weights: [Double], nats: Double) {
        let chosen = chosen ?? Array(0..<parts)
        let count = chosen.count
        // Probabilities relative to the largest among the parts: [stream][prediction, part]; and the loss that this leaves.
        var ratios = nats.map { _ in [Double]() }
        var rest = [Double](repeating: 0, count: nats.count)
        for (stream, nats) in nats.enumerated() {
            ratios[stream].reserveCapacity(nats.count / parts * count)
            for first in stride(from: 0, to: nats.count, by: parts) {
                let smallest = chosen.lazy.map { nats[first + $0] }.min()!
                rest[stream] += smallest
                for part in chosen { ratios[stream].append(Elementary.exponential(smallest - nats[first + part])) }
            }
        }
        var weights = [Double](repeating: 1 / Double(count), count: count)
        for _ in 0..<PartLosses.mostRounds {
            let next = try total(of: ratios, count) { ratios, shares in
                var sum = 0.0
                for part in 0..<count { sum += weights[part] * ratios[part] }
                for part in 0..<count { shares[part] += weights[part] * ratios[part] / sum }
            }.map { $0 / Double(tokens) }
            let change = zip(weights, next).map { abs($0 - $1) }.max()!
            weights = next
            if change < PartLosses.tolerance { break }
        }
        let gain = try total(of: ratios, count, results: 1) { ratios, sums in
            var sum = 0.0
            for part in 0..<count { sum += weights[part] * ratios[part] }
            sums[0] += Elementary.logarithm(sum)
        }[0]
        try rest.withUnsafeMutableBufferPointer { try communicator.sum($0) }
        return (weights, rest.reduce(0, +) - gain)
    }

    /// Collective. Adds up what `body` adds for each prediction: within a stream, then over the streams.
    private func total(
        of ratios: [[Double]], _ count: Int, results: Int? = nil,
        _ body: (_ ratios: UnsafePointer<Double>, _ sums: UnsafeMutablePointer<Double>) -> Void
    ) throws -> [Double] {
        let results = results ?? count
        var sums = [Double](repeating: 0, count: ratios.count * results)
        sums.withUnsafeMutableBufferPointer { sums in
            for (stream, ratios) in ratios.enumerated() {
                ratios.withUnsafeBufferPointer { ratios in
                    for first in stride(from: 0, to: ratios.count, by: count) {
                        body(ratios.baseAddress! + first, sums.baseAddress! + stream * results)
                    }
                }
            }
        }
        // Each stream's sums are on one rank and zero on the others: this is exact.
        try sums.withUnsafeMutableBufferPointer { try communicator.sum($0) }
        return (0..<results).map { result in stride(from: result, to: sums.count, by: results).reduce(0) { $0 + sums[$1] } }
    }
}
