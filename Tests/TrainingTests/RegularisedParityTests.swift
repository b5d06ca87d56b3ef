import Collectives
import Corpus
import Foundation
import Kernels
import Optimization
import Recurrent
import TestSupport
import Testing
import Training

/// All that regularises an AWD-LSTM at once, against PyTorch with the same masks.
@Suite struct RegularisedParityTests {
    /// What Tests/pytorch/make_regularised_fixture.py wrote.
    private struct Fixture: Decodable, Sendable {
        struct Rates: Decodable, Sendable { var embedding, input, hidden, output, weights: Float }

        var streams, unroll, embedding, vocabularySize, start: Int
        var seed: UInt64
        var sizes: [Int]
        var rates: Rates
        var activationPenalty, slownessPenalty, weightDecay: Float
        var learningRate, clipNorm: Double
        var tokens: [Int32]
        var parameters: [String: ParityFixture.Tensor]
        var losses: [Double]
        var gradientNorms: [Double]
        /// After the last step.
        var averages: [String: ParityFixture.Tensor]

        var model: ModelConfiguration {
            var model = ModelConfiguration(cell: .lstm, vocabulary: vocabularySize, embedding: embedding, hidden: sizes, tied: true)
            (model.dropout.embedding, model.dropout.input) = (rates.embedding, rates.input)
            (model.dropout.hidden, model.dropout.output) = (rates.hidden, rates.output)
            (model.dropout.weights, model.dropout.isLocked) = (rates.weights, true)
            (model.penalties.activation, model.penalties.slowness) = (activationPenalty, slownessPenalty)
            return model
        }

        var options: TrainingOptions {
            TrainingOptions(
                model: model, streams: streams, unroll: UnrollPlan(fixed: unroll), totalSteps: losses.count, loss: .perToken,
                clip: .norm(clipNorm), optimizer: OptimizerRule(.ntASGD, weightDecay: weightDecay),
                schedule: LearningRateSchedule(.constant, base: learningRate, steps: losses.count), seed: seed,
                checkpoints: .init(everySteps: 0, everyMinutes: 0, keep: 1),
                validation: .init(everySteps: 0, everyEpoch: false, streams: 1), metricsEverySteps: 1)
        }
    }

    @Test(arguments: [(1, nil), (2, nil), (2, 4)] as [(Int, Int?)]) func lossesAndAverageAreThoseOfPyTorch(ranks: Int, shards: Int?) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let file = Bundle.module.resourceURL!.appending(path: "Fixtures/regularised-lstm.json")
        let fixture = try decoder.decode(Fixture.self, from: Data(contentsOf: file))
        let result = try withThreadRanks(ranks) { communicator in
            try Arithmetic.prepare(threads: 1)
            var options = fixture.options
            options.reproducibleShards = shards
            let tokens = TokenStore(fixture.tokens)
            let partition = try StreamPartition(tokens: tokens.count, streams: fixture.streams, remainder: .dropped)
            let own = try StreamPartition.owned(by: communicator.rank, of: ranks, streams: fixture.streams)
            let batches = try StreamBatches(tokens, partition: partition, streams: own, unroll: options.unroll)
            let step = try TrainingStep(options, communicator: communicator, streams: own)
            for entry in step.parameters.layout.entries where step.fillsParameters {
                step.parameters.values(entry).update(from: fixture.parameters[entry.name]!.values.map(Float.init))
            }
            try step.begin()
            let outcomes = try (1...10).map {
                try step.run(
                    $0, from: batches, schedule: options.schedule, iterates: max(0, $0 - fixture.start), signals: StepSignals())
            }
            let average = Dictionary(uniqueKeysWithValues: step.result.layout.entries.map { ($0.name, Array(step.result.values($0))) })
            return (losses: outcomes.map(\.signals.loss.mean), norms: outcomes.map(\.gradientNorm), average: average)
        }[0]
        #expect(fixture.losses.count == 10 && fixture.gradientNorms.contains { $0 > fixture.clipNorm })
        for (loss, want) in zip(result.losses, fixture.losses) { #expect(abs(loss - want) < 1e-5 * want) }
        for (norm, want) in zip(result.norms, fixture.gradientNorms) { #expect(abs(norm - want) < 1e-5 * want) }
        for (name, tensor) in fixture.averages {
            let values = try #require(result.average[name])
            #expect(values.count == tensor.values.count)
            #expect(zip(values, tensor.values).allSatisfy { abs(Double($0) - $1) < 1e-5 }, "\(name)")
        }
    }
}
