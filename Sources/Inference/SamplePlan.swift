/// The samples that the model writes during training, which show its progress.
package struct SamplePlan: Sendable {
    /// Tokens.
    package var length: Int
    /// The token that is read first, after which a line starts.
    package var start: Int32
    /// A token that is never written, `<unk>`.
    package var excluded: Int?
    package var decode: @Sendable ([Int32]) -> String

    package init(length: Int, start: Int32, excluded: Int?, decode: @escaping @Sendable ([Int32]) -> String) {
        self.length = length
        self.start = start
        self.excluded = excluded
        self.decode = decode
    }

    /// Uses the same random draws each time, so only the model changes from sample to sample. Neither the parameters nor any
    /// state of the training is touched.
    /// - Parameters:
    ///   - predictor: used for nothing else.
    ///   - progress: called after each token.
    /// - Throws: `KernelError`.
    package func write(_ predictor: any TokenPredictor, seed: UInt64, progress: () -> Void = {}) throws -> String {
        let generator = try Generator(predictor, options: SamplingOptions(), seed: seed)
        var tokens: [Int32] = []
        tokens.reserveCapacity(length)
        try generator.run(prompt: [start], length: length, excluded: excluded) {
            tokens.append($0)
            progress()
            return true
        }
        return decode(tokens)
    }
}
