import FoundationEssentials

/// A training run as PyTorch computed it: Tests/pytorch/make_parity_fixture.py writes the files and explains them.
public struct ParityFixture: Decodable, Sendable {
    public struct Model: Decodable, Sendable {
        /// lockstep's names: `elman`, `lstm`, `gru_reset_after`.
        public var cell: String
        public var activation: String
        public var layers: Int
        public var vocabularySize: Int
        public var embedding: Int
        public var hidden: Int
        public var tied: Bool
    }

    public struct Tensor: Decodable, Sendable {
        public var shape: [Int]
        /// Row-major; exact in single precision.
        public var values: [Double]
    }

    public var model: Model
    public var streams: Int
    public var unroll: Int
    /// `sgd` or `adam` (beta 0.9 and 0.999, epsilon 1e-8, no weight decay).
    public var optimizer: String
    public var learningRate: Double
    /// PyTorch clips to `clipNorm / (norm + 1e-6)`.
    public var clipNorm: Double
    public var tokens: [Int32]
    /// Initial weights by PyTorch's name; no `decoder.weight` when tied.
    public var parameters: [String: Tensor]
    /// Mean nats per token of each step's chunk, before the step's update.
    public var lossesFloat64: [Double]
    public var lossesFloat32: [Double]
    /// Before clipping.
    public var gradientNormsFloat64: [Double]

    /// The runs there are: each is `parity-NAME.json` in the fixture folder.
    public static let names = ["elman", "lstm", "gru_reset_after", "lstm-tied", "lstm-adam"]

    public static func load(_ name: String, from folder: URL) throws -> ParityFixture {
        try decode(folder.appending(path: "parity-\(name).json"))
    }
}

/// Weights after six steps of each rule on given gradients, as torch.optim computed them in double precision.
public struct OptimizerFixture: Decodable, Sendable {
    public var learningRate: Double
    public var initial: [Double]
    /// One element per step.
    public var gradients: [[Double]]
    /// By rule; weight decay 0.1 (except `sgd`), momentum 0.9, everything else torch.optim's default.
    public var results: [String: [Double]]

    public static func load(from folder: URL) throws -> OptimizerFixture {
        try decode(folder.appending(path: "optimizers.json"))
    }
}

private func decode<Fixture: Decodable>(_ file: URL) throws -> Fixture {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Fixture.self, from: Data(contentsOf: file))
}
