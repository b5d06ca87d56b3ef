import Collectives
import Corpus
import Foundation
import Optimization
import Recurrent
import TestSupport
import Testing
import Training

/// The same initial weights, tokens and settings give PyTorch's losses.
@Suite struct ParityTests {
    private let folder = Bundle.module.resourceURL!.appending(path: "Fixtures")

    @Test(arguments: ParityFixture.names + ["lstm-adaptive"], [1, 2]) func lossesAreThoseOfPyTorch(name: String, ranks: Int) throws {
        let fixture = try ParityFixture.load(name, from: folder)
        let losses = try withThreadRanks(ranks) { try steps(fixture, on: $0) }[0]
        #expect(losses.count == fixture.lossesFloat32.count && losses.count == 10)
        for (loss, want) in zip(losses, fixture.lossesFloat32) { #expect(abs(loss - want) < 1e-5 * want) }
    }

    private func steps(_ fixture: ParityFixture, on communicator: any Communicator) throws -> [Double] {
        var model = ModelConfiguration(
            cell: Cell(rawValue: fixture.model.cell)!, activation: Activation(rawValue: fixture.model.activation)!,
            window: fixture.model.window ?? 1, normalization: Normalization(rawValue: fixture.model.normalization ?? "none")!,
            vocabulary: fixture.model.vocabularySize, embedding: fixture.model.embedding, hidden: fixture.model.sizes,
            connections: Connections(rawValue: fixture.model.connections ?? "none")!, tied: fixture.model.tied)
        if let softmax = fixture.model.softmax {
            let isKnown = model.set("softmax", to: softmax)
            #expect(isKnown)
        }
        let options = TrainingOptions(
            model: model, streams: fixture.streams, unroll: UnrollPlan(fixed: fixture.unroll), totalSteps: 10,
            loss: .perToken, clip: .norm(fixture.clipNorm),
            optimizer: OptimizerRule(fixture.optimizer == "adam" ? .adam : .sgd),
            schedule: LearningRateSchedule(.constant, base: fixture.learningRate, steps: 10), seed: 1,
            checkpoints: .init(everySteps: 0, everyMinutes: 0, keep: 1),
            validation: .init(everySteps: 0, everyEpoch: false, streams: 1), metricsEverySteps: 1)
        let tokens = TokenStore(fixture.tokens)
        let partition = try StreamPartition(tokens: tokens.count, streams: fixture.streams, remainder: .dropped)
        let own = try StreamPartition.owned(by: communicator.rank, of: communicator.size, streams: fixture.streams)
        let batches = try StreamBatches(tokens, partition: partition, streams: own, unroll: options.unroll)
        let step = try TrainingStep(options, communicator: communicator, streams: own)
        for entry in step.parameters.layout.entries where step.fillsParameters {
            step.parameters.values(entry).update(from: fixture.parameters[entry.name]!.values.map(Float.init))
        }
        try step.begin()
        return try (1...10).map {
            try step.run($0, from: batches, schedule: options.schedule, signals: StepSignals()).signals.loss.mean
        }
    }
}

@Suite struct KnownEntropyTests {
    /// No model can do better than the source's entropy rate; one that learns comes close.
    @Test(arguments: [Cell.lstm, .elman]) func validationLossApproachesTheEntropyRate(cell: Cell) throws {
        let source = MarkovSource(tokens: 20, seed: 5)
        let validation = source.sample(40_000, seed: 7)
        // The same sample's loss under the true source: what sampling noise leaves of the entropy rate.
        let floor = source.crossEntropy(of: validation)
        #expect(abs(floor / source.entropyRate - 1) < 0.02)
        try withTemporaryFolder { folder in
            let run = SmallRun(
                cell: cell, vocabulary: 20, tokens: source.sample(200_000, seed: 6), validation: validation,
                folder: folder, streams: 40, unroll: UnrollPlan(fixed: 20), steps: 700, learningRate: 0.01,
                schedule: .cosine(), layers: 1, embedding: 16, hidden: 32)
            let result = try run.train()
            let loss = try #require(result.lastValidation).nats
            #expect(loss < floor * 1.02, "\(loss) nats, entropy rate \(source.entropyRate), of this sample \(floor)")
            #expect(loss > floor - 0.005, "\(loss) nats, entropy rate \(source.entropyRate), of this sample \(floor)")
        }
    }
}
