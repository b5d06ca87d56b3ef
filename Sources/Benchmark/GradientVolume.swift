import Corpus
import Glibc
import Recurrent

/// What the machines of a job sum in a step: the whole gradient, but of an untied embedding only the rows of the
/// tokens that some rank read. The tails of an adaptive softmax count in full: nearly every step of a large job touches all.
struct GradientVolume {
    /// Bytes of the whole gradient.
    let all: Int
    /// Bytes that every step sums.
    let dense: Int
    /// Bytes of a row of the embedding.
    private let row: Int
    /// The share of each token in the text; empty if the embedding is tied.
    private let frequencies: [Double]

    /// - Parameter tokens: the text, of which at most a million tokens are counted.
    init(_ model: ModelConfiguration, tokens: TokenStore) {
        let layout = ParameterLayout(model)
        all = 4 * (layout.embedding.isFrozen ? layout.count - layout.entries[1].offset : layout.count)
        row = 4 * model.embedding
        if model.tied || layout.embedding.isFrozen {
            dense = all
            frequencies = []
            return
        }
        dense = 4 * (layout.count - layout.entries[1].offset)
        let sample = tokens.tokens(in: 0..<min(tokens.count, 1 << 20))
        var counts = [Int](repeating: 0, count: model.vocabulary)
        for token in sample { counts[Int(token)] += 1 }
        frequencies = counts.filter { $0 > 0 }.map { Double($0) / Double(sample.count) }
    }

    /// The expected size in bytes of the rows that `tokens` tokens drawn from the text touch: a token of frequency f is among
    /// them with probability 1 - (1 - f)^tokens.
    func touched(tokens: Int) -> Int {
        let rows = frequencies.reduce(0) { $0 - expm1(Double(tokens) * log1p(-min($1, 1 - 1e-15))) }
        return Int(rows.rounded()) * row
    }

    /// Seconds that machines need to sum the gradient of a step in which they read `tokens` tokens together.
    func seconds(_ model: AllReduceModel, machines: Int, tokens: Int, pieceBytes: Int) -> Double {
        let rows = touched(tokens: tokens)
        return model.seconds(bytes: dense, ranks: machines, pieceBytes: pieceBytes)
            + (rows > 0 ? model.seconds(bytes: rows, ranks: machines, pieceBytes: pieceBytes) : 0)
    }
}
