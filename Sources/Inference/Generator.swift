/// Continues a text token by token, from its start or from where it stopped.
package final class Generator {
    private let predictor: any TokenPredictor
    private var sampler: Sampler
    private var input: [Int32] = [0]
    /// The last generated token, which the model has not read yet.
    private var unread: Int32?

    /// - Throws: `KernelError`.
    package init(_ predictor: any TokenPredictor, options: SamplingOptions, seed: UInt64) throws {
        self.predictor = predictor
        try predictor.reserve(streams: 1, steps: 1)
        predictor.reset(streams: 1)
        sampler = Sampler(options, seed: seed)
    }

    /// Whether there is a text that `run` would continue.
    package var hasText: Bool { unread != nil }

    /// Forgets the text so far. The sequence of random draws continues.
    package func reset() {
        predictor.reset(streams: 1)
        unread = nil
    }

    /// - Parameters:
    ///   - prompt: read first, after the text so far; at least one token if there is none.
    ///   - length: the largest number of tokens to generate.
    ///   - excluded: a token never to generate, `<unk>`.
    ///   - emit: called with each token as it is generated; false ends the text after it.
    /// - Throws: `OutputNotFinite`, `KernelError`, and what `emit` throws.
    package func run(
        prompt: [Int32], length: Int, excluded: Int?, emit: (Int32) throws -> Bool
    ) throws {
        precondition(hasText || !prompt.isEmpty)
        if let unread { try read(unread) }
        for token in prompt { try read(token) }
        for place in 0..<length {
            if place > 0, let unread { try read(unread) }
            let logits = try predictor.logits(ofStream: 0)
            guard logits.allSatisfy(\.isFinite) else { throw OutputNotFinite() }
            let token = Int32(sampler.draw(logits, excluded: excluded))
            unread = token
            if try !emit(token) { return }
        }
    }

    private func read(_ token: Int32) throws {
        input[0] = token
        try predictor.read(input, steps: 1)
    }
}
