import Recurrent

/// Continues a text token by token, from a zero state.
public final class Generator {
    private let model: LanguageModel
    private var sampler: Sampler
    private var input: [Int32] = [0]

    /// - Throws: `KernelError`.
    public init(
        _ configuration: ModelConfiguration, parameters: Arena, options: SamplingOptions, seed: UInt64
    ) throws {
        model = try LanguageModel(configuration, parameters: parameters, batch: 1, steps: 1)
        sampler = Sampler(options, seed: seed)
    }

    /// - Parameters:
    ///   - prompt: read first; at least one token.
    ///   - length: tokens to generate at most.
    ///   - excluded: a token never to generate, `<unk>`.
    ///   - emit: called with each token as it comes; false ends the text.
    /// - Throws: `KernelError`, and what `emit` throws.
    public func run(
        prompt: [Int32], length: Int, excluded: Int?, emit: (Int32) throws -> Bool
    ) throws {
        precondition(!prompt.isEmpty)
        for token in prompt { try read(token) }
        for remaining in stride(from: length, to: 0, by: -1) {
            let token = Int32(sampler.draw(try model.lastLogits(), excluded: excluded))
            if try !emit(token) { return }
            if remaining > 1 { try read(token) }
        }
    }

    private func read(_ token: Int32) throws {
        input[0] = token
        try model.forward(input, steps: 1)
    }
}
