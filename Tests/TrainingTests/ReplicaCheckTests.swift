import Checkpoints
import Corpus
import Recurrent
import TestSupport
import Testing
import Training

/// Ranks on several machines each have parameters of their own: a flipped bit in one of them is found, not trained on.
@Suite struct ReplicaCheckTests {
    /// - Returns: the error, of each rank, after the lowest bit of one number has changed on `culprits`.
    private func errors(ranks: Int, culprits: [Int], tensor: String) throws -> [TrainingError?] {
        let tokens = source.sample(500, seed: 1)
        let options = SmallRun(tokens: tokens, folder: "").options
        return try withThreadRanks(ranks, ranksPerMachine: 1) { communicator in
            let partition = try StreamPartition(
                tokens: tokens.count, streams: options.streams, remainder: .dropped, name: "tokens")
            let own = try StreamPartition.owned(by: communicator.rank, of: ranks, streams: options.streams)
            let step = try TrainingStep(options, communicator: communicator, streams: own)
            step.parameters.initialise(seed: 1)
            try step.begin()
            let batches = try StreamBatches(TokenStore(tokens), partition: partition, streams: own, unroll: options.unroll)
            for number in 1...3 {
                _ = try step.run(number, from: batches, schedule: options.schedule, signals: StepSignals())
                try step.verifyReplicas(step: number)
            }
            if culprits.contains(communicator.rank) {
                let values = step.parameters.values(try #require(step.parameters.layout.entries.first { $0.name == tensor }))
                values[values.count - 1] = Float(bitPattern: values[values.count - 1].bitPattern ^ 1)
            }
            do {
                try step.verifyReplicas(step: 3)
                return nil
            } catch let error as TrainingError {
                return error
            }
        }
    }

    @Test func theSameParametersPass() throws {
        #expect(try errors(ranks: 3, culprits: [], tensor: "") == [nil, nil, nil])
    }

    @Test(arguments: ["encoder.weight", "rnn.weight_hh_l1", "decoder.bias"])
    func aFlippedBitIsFound(tensor: String) throws {
        let error = TrainingError.replicasDiffer(step: 3, tensor: tensor, ranks: [2])
        #expect(try errors(ranks: 4, culprits: [2], tensor: tensor) == Array(repeating: error, count: 4))
        #expect("\(error)".contains("another \(tensor) on rank 2"))
    }

    /// With two ranks, nobody knows which is wrong.
    @Test func aTieNamesAll() throws {
        let error = TrainingError.replicasDiffer(step: 3, tensor: "decoder.bias", ranks: [0, 1])
        #expect(try errors(ranks: 2, culprits: [1], tensor: "decoder.bias") == [error, error])
    }

    /// A sum that arrives wrong on one machine: the next comparison stops the run on all ranks, nothing that came of it is
    /// saved, and the previous checkpoint is valid.
    @Test(arguments: [4, 0]) func aRunThatDivergesStopsWithItsLastGoodCheckpoint(verifyEvery: Int) throws {
        let tokens = source.sample(500, seed: 1)
        try withTemporaryFolder { folder in
            var run = SmallRun(tokens: tokens, folder: "\(folder)/bad", steps: 40, tied: true)
            run.options.checkpoints.everySteps = 5
            run.options.verifyEverySteps = verifyEvery
            let bad = run
            var error: (any Error)?
            do {
                _ = try withThreadRanks(3, ranksPerMachine: 1, wrongSum: WrongSum(rank: 2, number: 25)) { try bad.train(on: $0) }
            } catch let thrown {
                error = thrown
            }
            guard case .replicasDiffer(let step, let tensor, [2]) = (error as? TrainingFailure)?.cause else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(step % 5 == 0 || verifyEvery > 0 && step % verifyEvery == 0)
            #expect(ParameterLayout(run.options.model).entries.contains { $0.name == tensor })
            let latest = try #require(try CheckpointStore(runFolder: run.folder, keep: 9, note: { _ in }).latest())
            #expect(latest.manifest.step == (step - 1) / 5 * 5)

            run.folder = "\(folder)/good"
            let good = run
            _ = try withThreadRanks(3, ranksPerMachine: 1) { try good.train(on: $0) }
            _ = try withThreadRanks(3, ranksPerMachine: 1) { try bad.train(on: $0, resume: true) }
            #expect(try bad.bytes(ofStep: 40) == good.bytes(ofStep: 40))
        }
    }
}
