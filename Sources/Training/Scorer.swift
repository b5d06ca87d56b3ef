import Recurrent

/// The log probability of one line.
public struct LineScore: Sendable, Equatable {
    /// Natural logarithm of the line's probability.
    public let logProbability: Double
    /// Predictions it is the sum of.
    public let tokens: Int
}

/// Scores texts line by line, for rescoring and selection.
public final class Scorer {
    private let model: LanguageModel
    private let carriesState: Bool
    private var previous: Int32

    static let chunkLength = 64

    /// - Parameters:
    ///   - start: the token read before a line: what ends a line in the training text.
    ///   - carriesState: a line is read in the context of those before it; else each starts afresh.
    /// - Throws: `KernelError`.
    public init(_ configuration: ModelConfiguration, parameters: Arena, start: Int32, carriesState: Bool) throws {
        model = try LanguageModel(configuration, parameters: parameters, batch: 1, steps: Scorer.chunkLength)
        self.carriesState = carriesState
        previous = start
    }

    /// - Parameter line: its tokens, with the one that ends it.
    /// - Throws: `KernelError`.
    public func score(_ line: [Int32]) throws -> LineScore {
        if !carriesState { model.resetState() }
        var total = 0.0
        let inputs = [previous] + line.dropLast()
        for first in stride(from: 0, to: line.count, by: Scorer.chunkLength) {
            let range = first..<min(first + Scorer.chunkLength, line.count)
            try Array(inputs[range]).withUnsafeBufferPointer {
                try model.forward($0.baseAddress!, steps: range.count)
                total -= try model.loss(Array(line[range])).total
            }
        }
        if carriesState, let last = line.last { previous = last }
        return LineScore(logProbability: total, tokens: line.count)
    }
}
