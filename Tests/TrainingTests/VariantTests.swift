import Checkpoints
import Corpus
import Kernels
import Optimization
import Recurrent
import TestSupport
import Testing
import Training

/// What holds for every cell holds for its variants: the same bytes for every number of ranks, and after a stop.
@Suite struct VariantTests {
    struct Variant: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let change: @Sendable (inout ModelConfiguration) -> Void

        init(_ name: String, _ change: @escaping @Sendable (inout ModelConfiguration) -> Void) {
            (testDescription, self.change) = (name, change)
        }
    }

    static let variants = [
        Variant("peepholes") { $0.peepholes = .diagonal },
        Variant("gateless, with peepholes that see nothing") { ($0.gates, $0.peepholes) = ([], .diagonal) },
        Variant("no forget gate") { $0.gates = [.input, .output] },
        Variant("LSTM, normalised") { $0.normalization = .layer },
        Variant("Elman, normalised") { ($0.cell, $0.normalization) = (.elman, .layer) },
        Variant("GRU, normalised") { ($0.cell, $0.normalization) = (.gru, .layer) },
        Variant("GRU, reset after, normalised") { ($0.cell, $0.normalization) = (.gruResetAfter, .layer) },
        Variant("window, normalised") { ($0.cell, $0.window, $0.normalization) = (.window, 4, .layer) },
    ]

    private func run(_ folder: String, _ variant: Variant) -> SmallRun {
        var run = SmallRun(
            tokens: source.sample(24 * 60 + 5, seed: 1), validation: source.sample(400, seed: 2), folder: folder, streams: 24,
            unroll: UnrollPlan(random: 7, seed: 1), steps: 30, dropout: 0.3, optimizer: OptimizerRule(.adamw, weightDecay: 0.1),
            learningRate: 0.02)
        variant.change(&run.options.model)
        run.options.reproducibleShards = 12
        return run
    }

    @Test(arguments: variants) func ranksAndStopsLeaveTheBytesUnchanged(variant: Variant) throws {
        try withTemporaryFolder { folder in
            func bytes(_ name: String, ranks: Int, stopAfter: Int? = nil, resume: Bool = false) throws -> [String: [UInt8]] {
                let run = run("\(folder)/\(name)", variant)
                let results = try withThreadRanks(ranks) {
                    try Arithmetic.prepare(threads: 1)
                    return try run.train(on: $0, stopAfter: stopAfter, resume: resume, reporter: Recorder())
                }
                return try run.bytes(ofStep: results[0].step)
            }
            let alone = try bytes("alone", ranks: 1)
            #expect(try bytes("three", ranks: 3) == alone)
            _ = try bytes("stopped", ranks: 2, stopAfter: 13)
            #expect(try bytes("stopped", ranks: 4, resume: true) == alone)
        }
    }
}
