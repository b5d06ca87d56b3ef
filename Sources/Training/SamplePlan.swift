import Recurrent

/// What the model writes now and then, so that one can see it learn.
public struct SamplePlan: Sendable {
    /// Tokens.
    public var length: Int
    /// Read first: the token after which a line begins.
    public var start: Int32
    /// A token never to be written, `<unk>`.
    public var excluded: Int?
    public var decode: @Sendable ([Int32]) -> String

    public init(length: Int, start: Int32, excluded: Int?, decode: @escaping @Sendable ([Int32]) -> String) {
        self.length = length
        self.start = start
        self.excluded = excluded
        self.decode = decode
    }

    /// Memory while a sample is written, bytes; nil on overflow.
    public static func memory(_ model: ModelConfiguration) -> Int? {
        ModelMemory(model, batch: 1, steps: 1, training: false, optimizerSlots: 0)?.activations
    }

    /// The same random draws each time: from sample to sample only the model changes. Neither the parameters nor any
    /// state of the training is touched.
    /// - Throws: `KernelError`.
    func write(_ model: ModelConfiguration, parameters: Arena, seed: UInt64, _ heartbeat: Heartbeat) throws -> String {
        let generator = try Generator(model, parameters: parameters, options: SamplingOptions(), seed: seed)
        var tokens: [Int32] = []
        tokens.reserveCapacity(length)
        try generator.run(prompt: [start], length: length, excluded: excluded) {
            tokens.append($0)
            heartbeat.beat()
            return true
        }
        return decode(tokens)
    }
}
