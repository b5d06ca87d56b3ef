import Collectives
import Corpus
import Kernels
import Optimization
import Recurrent
import TestSupport
import Testing
import Training

@Suite struct NumericFailureTests {
    /// The weights stay as they were, and every rank names the tensor and the rank it came from.
    @Test(arguments: [1, 3], [nil, 3, 12]) func aGradientThatIsNotFiniteStopsAllRanksAlike(ranks: Int, shards: Int?) throws {
        let results = try withThreadRanks(ranks) { communicator -> (String, Bool) in
            var options = SmallRun(tokens: [], folder: "").options
            options.optimizer = OptimizerRule(.sgd)
            options.reproducibleShards = shards
            let tokens = TokenStore(source.sample(1000, seed: 1))
            let partition = try StreamPartition(tokens: 1000, streams: 12, remainder: .dropped)
            let own = try StreamPartition.owned(by: communicator.rank, of: communicator.size, streams: 12)
            let batches = try StreamBatches(tokens, partition: partition, streams: own, unroll: options.unroll)
            let step = try TrainingStep(options, communicator: communicator, streams: own)
            let parameters = step.parameters
            if step.fillsParameters {
                parameters.initialise(seed: 1)
                // Two huge weights: the loss stays finite, the squares of the gradient do not.
                parameters.matrix("decoder.weight").base[0] = 1e25
                parameters.matrix("decoder.weight").base[12] = -1e25
            }
            try step.begin()
            let before = Array(parameters.buffer.elements)
            do {
                _ = try step.run(1, from: batches, schedule: options.schedule, signals: StepSignals())
                return ("no error", false)
            } catch {
                return ("\(error)", Array(parameters.buffer.elements) == before)
            }
        }
        for (message, unchanged) in results {
            #expect(message == results[0].0)
            #expect(message.contains("step 1"))
            #expect(message.contains("not finite"))
            #expect(message.contains(" of rank 0") || message.contains("on rank 0"))
            #expect(unchanged)
        }
    }

    /// A rate so high that the weights are useless, though all numbers stay finite.
    @Test(arguments: [(0.1, 0), (1e6, 4)]) func worseThanGuessingIsSaid(learningRate: Double, warnings: Int) throws {
        try withTemporaryFolder { folder in
            var run = SmallRun(
                tokens: source.sample(1000, seed: 1), validation: source.sample(200, seed: 2), folder: "\(folder)/run", steps: 8,
                optimizer: OptimizerRule(.sgd), learningRate: learningRate)
            run.options.validation.everySteps = 2
            let recorder = Recorder()
            try run.train(reporter: recorder)
            #expect(recorder.validation.count == 4 && recorder.warnings.count == warnings)
            #expect(recorder.warnings.allSatisfy { $0.contains("a guess among all 13 tokens") && $0.contains("learning_rate") })
        }
    }
}
