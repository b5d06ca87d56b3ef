import Recurrent

/// The log probability of one line.
public struct LineScore: Sendable, Equatable {
    /// Natural logarithm of the line's probability.
    public var logProbability = 0.0
    /// Predictions it is the sum of.
    public var tokens = 0
    /// Of each token, natural logarithm of its probability; empty unless asked for.
    public var parts: [Double] = []
}

/// Scores texts line by line, for rescoring and selection.
///
/// Lines that start afresh are read side by side, those of like length together. The batch has always the same size, filled
/// up with nothing, so that a line's score does not depend on its neighbours.
public final class Scorer {
    private let model: LanguageModel
    private let start: Int32
    /// With carried state, the token that came last; nil when each line starts afresh.
    private var previous: Int32?
    private var inputs: [Int32]  // [T, B]
    private var targets: [Int32]  // [T, B]; -1 where a line has ended

    static let chunkLength = 64
    /// Lines read side by side.
    static let batch = 32

    /// - Parameters:
    ///   - start: the token read before a line: what ends a line in the training text.
    ///   - carriesState: a line is read in the context of those before it; else each starts afresh.
    /// - Throws: `KernelError`.
    public init(_ configuration: ModelConfiguration, parameters: Arena, start: Int32, carriesState: Bool) throws {
        let batch = carriesState ? 1 : Scorer.batch
        model = try LanguageModel(configuration, parameters: parameters, batch: batch, steps: Scorer.chunkLength)
        self.start = start
        previous = carriesState ? start : nil
        inputs = Array(repeating: 0, count: Scorer.chunkLength * batch)
        targets = inputs
    }

    /// - Parameters:
    ///   - lines: their tokens, with those that end them.
    ///   - keepingParts: whether each token's own score is wanted.
    /// - Returns: the score of each.
    /// - Throws: `OutputNotFinite`, `KernelError`.
    public func score(_ lines: [[Int32]], keepingParts: Bool = false) throws -> [LineScore] {
        var scores = lines.map { LineScore(tokens: $0.count) }
        let order = previous == nil ? lines.indices.sorted { lines[$0].count < lines[$1].count } : Array(lines.indices)
        for first in stride(from: 0, to: order.count, by: model.batch) {
            let together = Array(order[first..<min(first + model.batch, order.count)])
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
    private func read(_ lines: [[Int32]], _ body: @escaping (_ line: Int, _ nats: Double) -> Void) throws {
        if previous == nil { model.resetState() }
        let batch = model.batch
        let longest = lines.lazy.map(\.count).max() ?? 0
        for first in stride(from: 0, to: longest, by: Scorer.chunkLength) {
            let steps = min(Scorer.chunkLength, longest - first)
            for t in 0..<steps {
                for b in 0..<batch {
                    let line = b < lines.count ? lines[b] : []
                    let place = first + t
                    inputs[t * batch + b] = place == 0 ? previous ?? start : place <= line.count ? line[place - 1] : start
                    targets[t * batch + b] = place < line.count ? line[place] : -1
                }
            }
            try model.forward(inputs, steps: steps)
            _ = try model.loss(targets) { row, nats in body(row % batch, nats) }
        }
        if previous != nil, let last = lines.last?.last { previous = last }
    }
}
