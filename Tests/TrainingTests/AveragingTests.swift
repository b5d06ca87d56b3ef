import Checkpoints
import Collectives
import Corpus
import Inference
import Kernels
import Optimization
import Recurrent
import TestSupport
import Testing
import Training

/// `nt_asgd`: the model becomes an average of the weights that training steps, on all ranks alike, and a stop changes nothing.
@Suite struct AveragingTests {
    private static let steps = 36

    private func run(_ folder: String, steps: Int = steps, tied: Bool = false, weightDecay: Float = 0, shards: Int? = nil) -> SmallRun {
        var rule = OptimizerRule(.ntASGD, weightDecay: weightDecay)
        rule.nonMonotoneInterval = 2
        // Rows of the embedding that are read in some steps only, and some never. The text to validate with is of another kind: the more is
        // learnt, the worse it is predicted, so that averaging begins.
        let tokens = source.sample(12 * 43, seed: 1).enumerated().map { $1 * 3 + Int32($0 / 97 % 2) }
        var run = SmallRun(
            vocabulary: 45, tokens: tokens, validation: MarkovSource(tokens: 13, seed: 99).sample(300, seed: 2).map { $0 * 3 },
            folder: folder, steps: steps, dropout: 0.2, optimizer: rule, learningRate: 4, tied: tied)
        run.options.validation.everyEpoch = false
        run.options.validation.everySteps = 3
        run.options.reproducibleShards = shards
        return run
    }

    private func checkpoint(_ run: SmallRun, _ step: Int) throws -> LoadedCheckpoint {
        try CheckpointStore(runFolder: run.folder, keep: 1) { _ in }.checkpoint(ofStep: step)
    }

    static let ways: [(ranks: Int, perMachine: Int, tied: Bool, weightDecay: Float)] = [
        (1, 1, false, 0), (3, 3, false, 0), (4, 2, false, 0), (2, 2, true, 0), (3, 2, false, 0.01),
    ]

    /// Each checkpoint's model against the iterates of those before it, by torch's formula in double precision.
    @Test(arguments: ways) func theModelIsTheAverageOfTheIterates(way: (ranks: Int, perMachine: Int, tied: Bool, weightDecay: Float)) throws {
        try withTemporaryFolder { folder in
            var changed = run(folder, tied: way.tied, weightDecay: way.weightDecay)
            changed.options.checkpoints = .init(everySteps: 1, everyMinutes: 0, keep: 100)
            let (run, recorder) = (changed, Recorder())
            _ = try withThreadRanks(way.ranks, ranksPerMachine: way.perMachine) { try run.train(on: $0, reporter: recorder) }
            let start = try #require(try checkpoint(run, Self.steps).manifest.averaging?.start)
            #expect((6...24).contains(start) && start % 3 == 0)
            // The validations up to the one that began it, which are all that decides.
            let losses = recorder.validation.filter { $0.step <= start }.map(\.loss)
            #expect(try checkpoint(run, Self.steps).manifest.averaging?.validationLosses == losses)
            #expect(losses.indices.filter { $0 > 2 && losses[$0] > losses[..<($0 - 2)].min()! } == [losses.count - 1])
            #expect(recorder.validation.map(\.averagedSteps) == recorder.validation.map { $0.step < start ? nil : $0.step - start })
            var averages: [String: [Double]] = [:]
            for step in 1...Self.steps {
                let checkpoint = try checkpoint(run, step)
                for entry in ParameterLayout(run.options.model).entries {
                    let iterate: [Float] = try checkpoint.state.elements(of: "optimizer.iterate.\(entry.name)")
                    let model: [Float] = try checkpoint.model.elements(of: entry.name)
                    if step <= start {
                        #expect(model == iterate)
                        continue
                    }
                    let count = step - start
                    let average = count <= 2 ? iterate.map(Double.init) : zip(averages[entry.name]!, iterate).map { $0 + (Double($1) - $0) / Double(count - 1) }
                    averages[entry.name] = average
                    #expect(zip(model, average).allSatisfy { abs(Double($0) - $1) < 1e-6 }, "\(entry.name), step \(step)")
                    // Words that are never read stay where they are, in the average too.
                    if count > 2, entry.shape.count == 2, !entry.name.hasPrefix("encoder") { #expect(model != iterate) }
                }
            }
        }
    }

    /// What is validated is what is saved, before averaging begins and after; the best checkpoint is the best of these.
    @Test func theValidatedModelIsTheSavedOne() throws {
        try withTemporaryFolder { folder in
            var run = run(folder)
            run.options.checkpoints = .init(everySteps: 3, everyMinutes: 0, keep: 100)
            let recorder = Recorder()
            try run.train(reporter: recorder)
            #expect(recorder.validation.contains { $0.averagedSteps == nil } && recorder.validation.contains { ($0.averagedSteps ?? 0) > 2 })
            for record in recorder.validation {
                let checkpoint = try checkpoint(run, record.step)
                let (model, parameters) = try ModelFile.load(checkpoint)
                let evaluator = try Evaluator(
                    RecurrentPredictor(model, parameters: parameters), tokens: TokenStore(run.validation!), streams: 4,
                    communicator: SingleRank())
                #expect(try evaluator.run().nats == record.loss)
                #expect(checkpoint.manifest.validationLoss == record.loss)
            }
            let best = try #require(try CheckpointStore(runFolder: folder, keep: 1) { _ in }.best()).manifest
            #expect(best.validationLoss == recorder.validation.map(\.loss).min())
        }
    }

    /// Before averaging begins, in the step with which it does, in the first two steps of the average and later; with one rank, and
    /// by other numbers of ranks with shards.
    @Test(arguments: [nil, 6]) func stopsLeaveTheBytesUnchanged(shards: Int?) throws {
        try withTemporaryFolder { folder in
            let (whole, recorder) = (run("\(folder)/whole", shards: shards), Recorder())
            try whole.train(reporter: recorder)
            let start = try #require(try checkpoint(whole, Self.steps).manifest.averaging?.start)
            let bytes = try whole.bytes(ofStep: Self.steps)
            for stop in [start - 1, start, start + 1, start + 2, start + 7] {
                let (parted, records) = (run("\(folder)/\(stop)", shards: shards), Recorder())
                let first = try withThreadRanks(shards == nil ? 1 : 2) { try parted.train(on: $0, stopAfter: stop, reporter: records) }
                #expect(first[0].step == stop)
                _ = try withThreadRanks(shards == nil ? 1 : 3) { try parted.train(on: $0, resume: true, reporter: records) }
                #expect(try parted.bytes(ofStep: Self.steps) == bytes, "stopped after step \(stop)")
                #expect(records.validation == recorder.validation)
                #expect(try checkpoint(parted, Self.steps).manifest.averaging == checkpoint(whole, Self.steps).manifest.averaging)
            }
        }
    }

    @Test(arguments: [false, true]) func shardsGiveTheSameBytesOnAnyNumberOfRanks(tied: Bool) throws {
        try withTemporaryFolder { folder in
            let traces = try [(1, 1), (2, 2), (3, 2), (6, 3)].map { ranks, perMachine in
                let run = run("\(folder)/\(ranks)", tied: tied, shards: 6)
                _ = try withThreadRanks(ranks, ranksPerMachine: perMachine) { try run.train(on: $0) }
                return try (run.bytes(ofStep: Self.steps), checkpoint(run, Self.steps).manifest.averaging)
            }
            #expect(traces[0].1?.start != nil)
            for other in traces.dropFirst() { #expect(other.0 == traces[0].0 && other.1 == traces[0].1) }
        }
    }

    /// The trigger must not see the extra validation at the end, or making a run longer would change it.
    @Test func aLongerRunContinuesAsIfItHadBeenLongFromTheStart() throws {
        try withTemporaryFolder { folder in
            try run("\(folder)/whole").train()
            for steps in [8, 13, 20] {
                let name = "\(folder)/grown-\(steps)"
                try run(name, steps: steps).train()
                try run(name).train(resume: true)
                #expect(try run(name).bytes(ofStep: Self.steps) == run("\(folder)/whole").bytes(ofStep: Self.steps))
            }
        }
    }

    /// An average that a faulty machine has changed is found as the parameters are.
    @Test func anAverageThatDiffersIsNamed() throws {
        let errors = try withThreadRanks(2, ranksPerMachine: 1) { communicator -> TrainingError? in
            let run = run("")
            let streams = try StreamPartition.owned(by: communicator.rank, of: 2, streams: run.options.streams)
            let step = try TrainingStep(run.options, communicator: communicator, streams: streams)
            step.optimizer.iterates = 3
            try step.verifyReplicas(step: 5)
            if communicator.rank == 1 { step.result.values(step.result.layout["decoder.bias"])[3] = 1 }
            do {
                try step.verifyReplicas(step: 6)
                return nil
            } catch let error as TrainingError { return error }
        }
        #expect(errors.allSatisfy { $0 == .replicasDiffer(step: 6, tensor: "optimizer.ax.decoder.bias", ranks: [0, 1]) })
    }
}
