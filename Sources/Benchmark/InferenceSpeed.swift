import Collectives
import Corpus
import Inference
import Randomness
import Recurrent

/// Speed of scoring and of generating one stream on one rank.
enum InferenceSpeed {
    /// Tokens per second of `lockstep evaluate` with one stream: the median over a second of passes over 1024 tokens.
    static func evaluation(_ model: ModelConfiguration, parameters: Arena) throws -> Double {
        let tokens = RandomText.tokens(count: 1025, vocabulary: model.vocabulary, seed: 1)
        let evaluator = try Evaluator(
            RecurrentPredictor(model, parameters: parameters), tokens: tokens, streams: 1, communicator: SingleRank())
        _ = try evaluator.run()
        return 1024 / median(try repeated(for: 1) { _ = try evaluator.run() })
    }

    /// Tokens per second of `lockstep generate`, over one second.
    static func generation(_ model: ModelConfiguration, parameters: Arena) throws -> Double {
        let generator = try Generator(RecurrentPredictor(model, parameters: parameters), options: SamplingOptions(), seed: 1)
        let warm = 16
        var generated = 0
        var start = ContinuousClock.now
        var seconds = 0.0
        try generator.run(prompt: [0], length: .max, excluded: nil) { _ in
            generated += 1
            if generated == warm { start = .now }
            seconds = (.now - start) / .seconds(1)
            return generated < warm + 2 || seconds < 1
        }
        return Double(generated - warm) / seconds
    }
}

/// Text to measure with if there is no dataset.
package enum RandomText {
    /// Independent tokens, uniformly distributed over the vocabulary.
    package static func tokens(count: Int, vocabulary: Int, seed: UInt64) -> TokenStore {
        var random = PhiloxSequence(seed: seed, purpose: .sampling)
        return TokenStore((0..<count).map { _ in Int32(random.uniform() * Double(vocabulary)) }, name: "random tokens")
    }
}
