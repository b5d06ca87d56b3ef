/// The log probability of one line.
package struct LineScore: Sendable, Equatable {
    /// Natural logarithm of the line's probability.
    package var logProbability = 0.0
    /// The number of predictions in the sum.
    package var tokens = 0
    /// The natural logarithm of each token's probability; empty unless requested.
    package var parts: [Double] = []
}

/// Scores texts line by line, for rescoring and selection.
///
/// Lines that do not follow one another are read in parallel, lines of similar length together. A line's score does not depend on its
/// neighbours: every row is computed as if it were alone.
package final class Scorer {
    private let predictor: any TokenPredictor
    /// Lines read side by side at the most.
    private let batch: Int
    private let start: Int32
    /// With carried state, the last token read; nil if each line starts a new text.
    private var previous: Int32?
    private var inputs: [Int32]  // [T, B]
    private var targets: [Int32]  // [T, B]; -1 after the end of a line

    static let chunkLength = 64
    static let widestBatch = 32

    /// Lines that are read side by side.
    package static func width(carriesState: Bool) -> Int { carriesState ? 1 : widestBatch }

    /// - Parameters:
    ///   - start: the token read before a line: the one that ends lines in the training text.
    ///   - carriesState: whether a line is read in the context of those before it; otherwise each starts a new text.
    /// - Throws: `KernelError`.
    package init(_ predictor: any TokenPredictor, start: Int32, carriesState: Bool) throws {
        self.predictor = predictor
        batch = Scorer.width(carriesState: carriesState)
        try predictor.reserve(streams: batch, steps: Scorer.chunkLength)
        predictor.reset(streams: batch)
        self.start = start
        previous = carriesState ? start : nil
        inputs = Array(repeating: 0, count: Scorer.chunkLength * batch)
        targets = inputs
    }

    /// - Parameters:
    ///   - lines: their tokens, with those that end them.
    ///   - keepingParts: whether each token's own score is wanted.
    /// - Returns: the score of each line.
    /// - Throws: `OutputNotFinite`, `KernelError`.
    package func score(_ lines: [[Int32]], keepingParts: Bool = false) throws -> [LineScore] {
        var scores = lines.map { LineScore(tokens: $0.count) }
        let order = previous == nil ? lines.indices.sorted { lines[$0].count < lines[$1].count } : Array(lines.indices)
        for first in stride(from: 0, to: order.count, by: batch) {
            let together = Array(order[first..<min(first + batch, order.count)])
            try read(together.map { lines[$0] }) { line, nats in
                scores[together[line]].logProbability -= nats
                if keepingParts { scores[together[line]].parts.append(-nats) }
            }
        }
        guard scores.allSatisfy(\.logProbability.isFinite) else { throw OutputNotFinite() }
        return scores
    }

    /// Reads at most B lines side by side.
    /// - Parameter body: gets each token's line and loss, a line's tokens in order.
    private func read(_ lines: [[Int32]], _ body: (_ line: Int, _ nats: Double) -> Void) throws {
        let batch = lines.count
        if previous == nil { predictor.reset(streams: batch) }
        let longest = lines.lazy.map(\.count).max() ?? 0
        for first in stride(from: 0, to: longest, by: Scorer.chunkLength) {
            let steps = min(Scorer.chunkLength, longest - first)
            for t in 0..<steps {
                for b in 0..<batch {
                    let line = lines[b]
                    let place = first + t
                    inputs[t * batch + b] = place == 0 ? previous ?? start : place <= line.count ? line[place - 1] : start
                    targets[t * batch + b] = place < line.count ? line[place] : -1
                }
            }
            try predictor.read(inputs, steps: steps)
            try predictor.losses(of: targets) { row, nats in body(row % batch, nats) }
        }
        if previous != nil, let last = lines.last?.last { previous = last }
    }
}
