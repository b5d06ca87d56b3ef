import FoundationEssentials

/// A training run as PyTorch computed it: Tests/pytorch/make_parity_fixture.py writes the files and explains them.
package struct ParityFixture: Decodable, Sendable {
    package struct Model: Decodable, Sendable {
        /// lockstep's names.
        package var cell: String
        package var activation: String
        package var window: Int?
        package var normalization: String?
        package var layers: Int
        package var vocabularySize: Int
        package var embedding: Int
        package var hidden: Int
        /// Of each layer, where they differ.
        package var hiddenSizes: [Int]?
        /// Nil for none.
        package var connections: String?
        package var tied: Bool
        /// As in a manifest; nil for the full one.
        package var softmax: String?

        package var sizes: [Int] { hiddenSizes ?? Array(repeating: hidden, count: layers) }
    }

    package struct Tensor: Decodable, Sendable {
        package var shape: [Int]
        /// Row-major; exact in single precision.
        package var values: [Double]
    }

    package var model: Model
    package var streams: Int
    package var unroll: Int
    /// `sgd` or `adam` (beta 0.9 and 0.999, epsilon 1e-8, no weight decay).
    package var optimizer: String
    package var learningRate: Double
    /// PyTorch clips to `clipNorm / (norm + 1e-6)`.
    package var clipNorm: Double
    package var tokens: [Int32]
    /// Initial weights by PyTorch's name; no `decoder.weight` when tied.
    package var parameters: [String: Tensor]
    /// Mean nats per token of each step's chunk, before the step's update.
    package var lossesFloat64: [Double]
    package var lossesFloat32: [Double]
    /// Before clipping.
    package var gradientNormsFloat64: [Double]

    /// The runs there are: each is `parity-NAME.json` in the fixture folder.
    package static let names = [
        "elman", "lstm", "gru_reset_after", "lstm-tied", "lstm-adam", "lstm-sizes", "lstm-residual", "gru-highway", "elman-dense",
        "window",
        "elman-normalized", "lstm-normalized", "gru-normalized", "gru_reset_after-normalized", "window-normalized",
    ]

    package static func load(_ name: String, from folder: URL) throws -> ParityFixture {
        try decode(folder.appending(path: "parity-\(name).json"))
    }
}

/// Weights after six steps of each rule on given gradients, as torch.optim computed them in double precision.
package struct OptimizerFixture: Decodable, Sendable {
    package var learningRate: Double
    package var initial: [Double]
    /// One element per step.
    package var gradients: [[Double]]
    /// By rule, and `asgd_average`; weight decay 0.1 (except `sgd`), momentum 0.9, everything else torch.optim's default.
    package var results: [String: [Double]]

    package static func load(from folder: URL) throws -> OptimizerFixture {
        try decode(folder.appending(path: "optimizers.json"))
    }
}

private func decode<Fixture: Decodable>(_ file: URL) throws -> Fixture {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Fixture.self, from: Data(contentsOf: file))
}
