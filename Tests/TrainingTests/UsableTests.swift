import Collectives
import Corpus
import Optimization
import Recurrent
import TestSupport
import Testing

import Training

/// What is saved can be trained from: shown before each save, without a trace.
@Suite struct UsableTests {
    private static let tokens = source.sample(200, seed: 1)  // 16 predictions a stream: epochs of 4 steps of 5, 5, 5 and 1

    /// Parameters, slots and carried state of a rank, to the bit.
    private func snapshot(_ step: TrainingStep) -> [[UInt32]] {
        ([step.parameters] + step.optimizer.slots).map { $0.buffer.elements.map(\.bitPattern) }
            + step.carriedState.map { $0.elements.map(\.bitPattern) }
    }

    private func withStep<T: Sendable>(
        ranks: Int, shards: Int?, rule: OptimizerRule = OptimizerRule(.adam), streams: Int = 12, tied: Bool = false,
        _ body: @escaping @Sendable (any Communicator, TrainingOptions, TrainingStep, any BatchSource) throws -> T
    ) throws -> [T] {
        try withThreadRanks(ranks) { communicator in
            var options = SmallRun(tokens: [], folder: "", streams: streams, dropout: 0.2, optimizer: rule, tied: tied).options
            options.reproducibleShards = shards
            let partition = try StreamPartition(tokens: Self.tokens.count, streams: streams, remainder: .dropped)
            let own = try StreamPartition.owned(by: communicator.rank, of: ranks, streams: streams)
            let batches = try StreamBatches(TokenStore(Self.tokens), partition: partition, streams: own, unroll: options.unroll)
            let step = try TrainingStep(options, communicator: communicator, streams: own)
            if step.fillsParameters { step.parameters.initialise(seed: 1) }
            try step.begin()
            return try body(communicator, options, step, batches)
        }
    }

    static let ways: [(shards: Int?, tied: Bool)] = [(nil, false), (nil, true), (3, false), (12, false)]

    /// At every step, the first and last of epochs among them, and with all that a rank can share.
    @Test(arguments: [1, 3], UsableTests.ways)
    func leavesNoTrace(ranks: Int, way: (shards: Int?, tied: Bool)) throws {
        func train(verifying: Bool) throws -> [[[UInt32]]] {
            try withStep(ranks: ranks, shards: way.shards, tied: way.tied) { communicator, options, step, batches in
                for number in 1...9 {
                    if verifying { try step.verifyUsable(after: number - 1, source: batches) }
                    _ = try step.run(number, from: batches, schedule: options.schedule, signals: StepSignals())
                    let before = snapshot(step)
                    if verifying { try step.verifyUsable(after: number, source: batches) }
                    // No rank may train on while another still looks.
                    #expect(snapshot(step) == before, "step \(number)")
                    try communicator.barrier()
                }
                return snapshot(step)
            }
        }
        #expect(try train(verifying: true) == train(verifying: false))
    }

    private enum Place: CaseIterable { case weight, slot, state, hugeWeights }

    /// Every rank says the same.
    @Test(arguments: [1, 3], [nil, 3]) func whatIsNotFiniteIsNamed(ranks: Int, shards: Int?) throws {
        for place in Place.allCases {
            let errors = try withStep(ranks: ranks, shards: shards) { communicator, options, step, batches -> TrainingError? in
                for number in 1...2 {
                    _ = try step.run(number, from: batches, schedule: options.schedule, signals: StepSignals())
                }
                if step.fillsParameters {
                    let entry = step.parameters.layout["rnn.weight_hh_l1"]
                    switch place {
                    case .weight: step.parameters.values(entry)[7] = .nan
                    case .slot: step.optimizer.slots[1].values(entry)[3] = .infinity
                    case .hugeWeights:
                        for entry in step.parameters.layout.entries { step.parameters.values(entry).fill(2e38) }
                    case .state: break
                    }
                }
                if place == .state, communicator.rank == ranks - 1 { step.carriedState[3].elements[2] = -.infinity }
                try step.begin()
                do {
                    try step.verifyUsable(after: 2, source: batches)
                    return nil
                } catch let error as TrainingError {
                    return error
                }
            }
            #expect(errors.allSatisfy { $0 == errors[0] })
            switch place {
            case .weight: #expect(errors[0] == .stateNotFinite(step: 2, tensor: "rnn.weight_hh_l1"))
            case .slot: #expect(errors[0] == .stateNotFinite(step: 2, tensor: "optimizer.exp_avg_sq.rnn.weight_hh_l1"))
            case .state: #expect(errors[0] == .stateNotFinite(step: 2, tensor: "carried.c_l1"))
            case .hugeWeights:
                guard case .nextStepNotFinite(2, _) = errors[0] else {
                    Issue.record("\(String(describing: errors[0]))")
                    continue
                }
            }
        }
    }

    /// A step that meets weights which are not finite blames the update before it.
    @Test func theUpdateIsBlamedForTheWeights() throws {
        let errors = try withStep(ranks: 2, shards: nil) { _, options, step, batches -> TrainingError? in
            _ = try step.run(1, from: batches, schedule: options.schedule, signals: StepSignals())
            if step.fillsParameters { step.parameters.values(step.parameters.layout["decoder.bias"])[0] = .nan }
            try step.begin()
            do {
                _ = try step.run(2, from: batches, schedule: options.schedule, signals: StepSignals())
                return nil
            } catch let error as TrainingError {
                return error
            }
        }
        #expect(errors == [.stateNotFinite(step: 1, tensor: "decoder.bias"), .stateNotFinite(step: 1, tensor: "decoder.bias")])
    }

    /// The checkpoint before is kept, whatever `keep` says, and the message names it.
    @Test(arguments: [1, 2]) func theLastSoundCheckpointStaysAndIsNamed(ranks: Int) throws {
        try withTemporaryFolder { folder in
            var run = SmallRun(tokens: Self.tokens, folder: folder, steps: 3)
            run.options.checkpoints = .init(everySteps: 1, everyMinutes: 0, keep: 1)
            _ = try withThreadRanks(ranks) { [run] in try run.train(on: $0) }
            run.options.totalSteps = 20
            // Adam's step is the learning rate, whatever the gradient.
            run.options.schedule = LearningRateSchedule(.constant, base: 1e38, steps: run.options.totalSteps)
            let errors = try withThreadRanks(ranks) { [run] communicator -> TrainingFailure? in
                do {
                    try run.train(on: communicator, resume: true)
                    return nil
                } catch let error as TrainingFailure {
                    return error
                }
            }
            let error = try #require(errors[0])
            #expect(errors.allSatisfy { $0 == error })
            #expect(error.checkpoint == "\(folder)/checkpoints/step-000000003")
            #expect(error.description.contains("resumes from \(folder)/checkpoints/step-000000003"))
            run.options.schedule = LearningRateSchedule(.constant, base: 0.01, steps: run.options.totalSteps)
            let end = try withThreadRanks(ranks) { [run] in try run.train(on: $0, resume: true).finished }
            #expect(end.allSatisfy { $0 })
        }
    }
}

/// The share of clipped steps counts those whose gradient was longer than allowed, whatever 1/n * n is in floating point.
@Suite struct ClippedShareTests {
    /// 49 tokens a step, where (1/49) * 49 < 1.
    @Test(arguments: [(1e9, 0.0), (1e-9, 1.0)]) func countsWhatWasClipped(limit: Double, share: Double) throws {
        #expect(1 / 49.0 * 49 < 1)
        try withTemporaryFolder { folder in
            let run = SmallRun(
                tokens: source.sample(500, seed: 1), folder: folder, streams: 7, unroll: UnrollPlan(fixed: 7), steps: 4,
                clip: .norm(limit))
            let recorder = Recorder()
            try run.train(reporter: recorder)
            #expect(recorder.training.map(\.clippedShare) == [share, share, share, share])
        }
    }
}
