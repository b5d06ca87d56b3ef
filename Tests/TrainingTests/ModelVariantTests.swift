import Checkpoints
import Corpus
import Optimization
import Recurrent
import TestSupport
import Testing
import Training

/// Whatever stands around the layers and whatever their sizes, ranks, resumes and shards change nothing.
@Suite struct ModelVariantTests {
    struct Variant: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var model: ModelConfiguration

        init(_ name: String, _ cell: Cell, embedding: Int = 11, hidden: [Int] = [11, 11], _ connections: Connections = .none, tied: Bool = false) {
            testDescription = name
            var rates = DropoutRates(0.2)
            (rates.embedding, rates.hidden) = (0.1, 0.3)
            model = ModelConfiguration(
                cell: cell, vocabulary: 13, embedding: embedding, hidden: hidden, connections: connections, dropout: rates, tied: tied,
                initialRange: 0.3)
        }

        /// Regularised as an AWD-LSTM.
        static let regularised: Variant = {
            var variant = Variant("regularised", .lstm, embedding: 7, hidden: [19, 7], tied: true)
            (variant.model.dropout.isLocked, variant.model.dropout.weights) = (true, 0.3)
            (variant.model.penalties.activation, variant.model.penalties.slowness) = (2, 1)
            return variant
        }()
    }

    static let variants = [
        Variant("residual", .lstm, .residual, tied: true), Variant("highway", .gru, .highway), Variant("dense", .elman, embedding: 7, hidden: [11, 5, 9], .dense),
        Variant("sizes", .lstm, embedding: 7, hidden: [19, 11, 7], tied: true), Variant("dropouts", .gruResetAfter, embedding: 7),
        .regularised, weightDrop(.gru), weightDrop(.gruResetAfter), weightDrop(.elman),
    ]

    private static func weightDrop(_ cell: Cell) -> Variant {
        var variant = Variant("weight drop, \(cell.rawValue)", cell)
        variant.model.dropout.weights = 0.3
        return variant
    }

    private func run(_ variant: Variant, _ folder: String, streams: Int = 12, shards: Int? = nil) -> SmallRun {
        var run = SmallRun(
            tokens: source.sample(streams * 83 + 5, seed: 1), validation: source.sample(300, seed: 2), folder: folder, streams: streams, steps: 40,
            learningRate: 0.02)
        run.options.model = variant.model
        run.options.reproducibleShards = shards
        return run
    }

    @Test(arguments: variants) func everyRankCountTakesTheSameSteps(variant: Variant) throws {
        let records = try [1, 2, 3, 7].map { ranks in
            try withTemporaryFolder { folder in
                let (run, recorder) = (run(variant, folder), Recorder())
                _ = try withThreadRanks(ranks) { try run.train(on: $0, reporter: recorder) }
                return recorder.training.flatMap { [$0.loss, $0.gradientNorm] } + recorder.validation.map(\.loss)
            }
        }
        #expect(records[0].count == 83 && records[0][78] < records[0][0] - 0.2, "training must change the loss, or equality shows nothing")
        for other in records.dropFirst() {
            for (a, b) in zip(records[0], other) { #expect(abs(a - b) < 1e-4 * a) }
        }
    }

    @Test(arguments: variants, [1, 17, 18]) func resumedRunsEndInTheSameBytes(variant: Variant, stop: Int) throws {
        try withTemporaryFolder { folder in
            let (whole, parted) = (run(variant, "\(folder)/whole"), run(variant, "\(folder)/parted"))
            try whole.train()
            #expect(try parted.train(stopAfter: stop).step == stop)
            try parted.train(resume: true)
            #expect(try whole.bytes(ofStep: 40) == parted.bytes(ofStep: 40))
        }
    }

    @Test(arguments: variants) func shardsGiveTheSameBytesOnAnyNumberOfRanks(variant: Variant) throws {
        try withTemporaryFolder { folder in
            let bytes = try [1, 2, 3, 6].map { ranks in
                let run = run(variant, "\(folder)/\(ranks)", shards: 6)
                _ = try withThreadRanks(ranks, ranksPerMachine: ranks == 6 ? 3 : nil) { try run.train(on: $0) }
                return try run.bytes(ofStep: 40)
            }
            for other in bytes.dropFirst() { #expect(other == bytes[0]) }
        }
    }
}
