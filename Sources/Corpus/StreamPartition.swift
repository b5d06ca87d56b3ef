import Diagnostics

/// A corpus of N tokens cut into S streams: contiguous pieces that are read in parallel, from left to right.
///
/// There are N - 1 predictions: each token but the first, from those before it. Stream s makes the predictions
/// `start(of: s) ..< start(of: s) + length(of: s)`; prediction i has token i as input and token i + 1 as target, so
/// each stream's last target is the next stream's first input. Nothing here depends on the number of ranks.
package struct StreamPartition: Sendable, Equatable {
    package enum Remainder: Sendable {
        /// For training: streams of equal length. The last `(N - 1) % S` predictions of the corpus, the tail, are never made.
        case dropped
        /// For evaluation: every prediction is made. The first `(N - 1) % S` streams make one more than the others.
        case shared
    }

    package let tokens: Int
    package let streams: Int
    /// Predictions of the longest stream: the length of an epoch in time steps.
    package let steps: Int
    /// Predictions at the end of the corpus that no stream makes.
    package let tail: Int
    private let shortLength: Int
    private let longStreams: Int

    /// - Parameters:
    ///   - name: the source of the tokens, for the error.
    ///   - setting: the setting or option that gives the number of streams, for the error.
    /// - Throws: `PartitionError.tooFewTokens` unless each stream has a prediction to make: N must be above S.
    package init(tokens: Int, streams: Int, remainder: Remainder, name: String = "the corpus", setting: String? = nil) throws {
        precondition(streams > 0)
        guard tokens > streams else { throw PartitionError.tooFewTokens(name: name, tokens: tokens, streams: streams, setting: setting) }
        self.tokens = tokens
        self.streams = streams
        shortLength = (tokens - 1) / streams
        let rest = (tokens - 1) % streams
        switch remainder {
        case .dropped: (longStreams, tail) = (0, rest)
        case .shared: (longStreams, tail) = (rest, 0)
        }
        steps = longStreams > 0 ? shortLength + 1 : shortLength
    }

    /// Position of the stream's first input.
    package func start(of stream: Int) -> Int { stream * shortLength + min(stream, longStreams) }

    /// The number of predictions the stream makes.
    package func length(of stream: Int) -> Int { shortLength + (stream < longStreams ? 1 : 0) }

    /// Predictions made in an epoch, all streams together.
    package var predictions: Int { tokens - 1 - tail }

    /// The streams of one rank, `r * S / p ..< (r + 1) * S / p`: as equal in number as possible.
    /// - Throws: `PartitionError.fewerStreamsThanRanks`.
    package static func owned(by rank: Int, of ranks: Int, streams: Int) throws -> Range<Int> {
        precondition(rank >= 0 && rank < ranks)
        guard streams >= ranks else { throw PartitionError.fewerStreamsThanRanks(streams: streams, ranks: ranks) }
        let start = { rank in rank * (streams / ranks) + rank * (streams % ranks) / ranks }  // r * S / p, no overflow
        return start(rank)..<start(rank + 1)
    }
}

package enum PartitionError: DiagnosedError, Equatable {
    case tooFewTokens(name: String, tokens: Int, streams: Int, setting: String?)
    case fewerStreamsThanRanks(streams: Int, ranks: Int)
    case positionOutside(epoch: Int, offset: Int, steps: Int)
    case tooManySequences(name: String, sequences: Int)

    package var kind: FailureKind {
        switch self {
        case .tooFewTokens, .positionOutside, .tooManySequences: .data
        case .fewerStreamsThanRanks: .usage
        }
    }

    package var diagnosis: Diagnosis {
        switch self {
        case .tooFewTokens(let name, let tokens, let streams, let setting):
            Diagnosis(
                "too few tokens for \(streams) stream\(streams == 1 ? "" : "s")", file: name, expected: "more than \(streams)",
                found: "\(tokens)",
                remedy: streams == 1 || tokens < 2
                    ? "use more text" : "lower \(setting ?? "the number of streams") to at most \(tokens - 1), or use more text")
        case .fewerStreamsThanRanks(let streams, let ranks):
            Diagnosis(
                "fewer streams than ranks", location: "training.streams", expected: "at least \(ranks)",
                found: "\(streams)", remedy: "raise training.streams, start fewer ranks, or set exchange.split to auto")
        case .tooManySequences(let name, let sequences):
            Diagnosis(
                "too many sequences", file: name, expected: "at most \(Int32.max)", found: "\(sequences)", remedy: "train on a part of them")
        case .positionOutside(let epoch, let offset, let steps):
            Diagnosis(
                "a data position outside the corpus", location: "epoch \(epoch)",
                expected: "an offset from 0 to \(steps - 1)", found: "\(offset)",
                remedy: "resume with the data and the number of streams with which the checkpoint was made")
        }
    }
}
