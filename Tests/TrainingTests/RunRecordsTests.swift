import Collectives
import Foundation
import Inference
import Kernels
import Reporting
import Testing
import TestSupport
import Training

/// The records of a run.
@Suite struct RunRecordsTests {
    private static func run(in folder: String, validation: Bool = true) -> SmallRun {
        var run = SmallRun(
            tokens: source.sample(12 * 83, seed: 1), validation: validation ? source.sample(100, seed: 2) : nil, folder: folder, steps: 40)
        run.options.samples = SamplePlan(length: 8, start: 0, excluded: 3) { "\($0)" }
        run.options.metricsEverySteps = 7
        return run
    }

    /// The same weights and state with samples and without.
    @Test func samplesDisturbNothing() throws {
        try withTemporaryFolder { folder in
            let sampled = Recorder()
            let run = Self.run(in: "\(folder)/a")
            try run.train(reporter: sampled)
            var without = Self.run(in: "\(folder)/b")
            without.options.samples = nil
            let silent = Recorder()
            try without.train(reporter: silent)
            #expect(try run.bytes(ofStep: 40) == without.bytes(ofStep: 40))
            #expect(sampled.training.map(\.loss) == silent.training.map(\.loss))
            #expect(sampled.samples.map(\.step) == sampled.validation.map(\.step))
            #expect(silent.samples.isEmpty)
            for sample in sampled.samples {
                let tokens = sample.text.split { !$0.isNumber }.map { Int($0)! }
                #expect(tokens.count == 8 && !tokens.contains(3))
            }
            // It learns, and what it writes changes; drawn with the same random numbers each time.
            #expect(Set(sampled.samples.map(\.text)).count > 1)
        }
    }

    /// Each rank's own model comes to the same text; the others wait.
    @Test func samplesOnThreeRanks() throws {
        try withTemporaryFolder { folder in
            let (one, three) = (Recorder(), Recorder())
            try Self.run(in: "\(folder)/1").train(reporter: one)
            let run = Self.run(in: "\(folder)/3")
            _ = try withThreadRanks(3) { try run.train(on: $0, reporter: three) }
            #expect(one.samples.map(\.step) == three.samples.map(\.step))
            #expect(three.samples.count > 1)
            for record in three.training {
                let cost = try #require(record.cost)
                #expect(cost.phaseSeconds["wait"]! > 0 && cost.exchangeShare > 0)
            }
        }
    }

    /// Without validation data a checkpoint comes with a sample.
    @Test func samplesAtCheckpoints() throws {
        try withTemporaryFolder { folder in
            var run = Self.run(in: folder, validation: false)
            run.options.checkpoints.everySteps = 15
            let recorder = Recorder()
            try run.train(reporter: recorder)
            #expect(recorder.samples.map(\.step) == [15, 30, 40])
        }
    }

    /// The phases' times add up to that of the steps, which the speed is reckoned from.
    @Test func costsAddUp() throws {
        try withTemporaryFolder { folder in
            let recorder = Recorder()
            let began = ContinuousClock.now
            try Self.run(in: folder).train(reporter: recorder)
            let elapsed = (ContinuousClock.now - began) / .seconds(1)
            #expect(recorder.training.map(\.step) == [7, 14, 21, 28, 35, 40])
            var last = 0
            var total = 0.0
            for record in recorder.training {
                let cost = try #require(record.cost)
                #expect(Set(cost.phaseSeconds.keys) == Set(PhaseClock.Phase.allCases.map { "\($0)" }))
                let seconds = cost.phaseSeconds.values.reduce(0, +)
                let tokens = Double(record.tokens - last)
                #expect(abs(seconds * record.tokensPerSecond / tokens - 1) < 0.01)
                let apart = (cost.phaseSeconds["wait"]! + cost.phaseSeconds["exchange"]!) / seconds
                #expect(abs(cost.exchangeShare - apart) < 0.01)
                #expect(cost.phaseSeconds["recurrence"]! > 0)
                let memory = try #require(cost.memory)
                #expect(1 << 20..<1 << 36 ~= memory && cost.peakMemory! >= memory)
                last = record.tokens
                total += seconds
            }
            #expect(total > 0 && total < elapsed)
        }
    }

    /// Stopped between two records: the first record after it has the loss of all its steps, and the speed of its own.
    @Test func resumingBetweenRecords() throws {
        try withTemporaryFolder { folder in
            let (whole, parts) = (Recorder(), Recorder())
            try Self.run(in: "\(folder)/whole").train(reporter: whole)
            let run = Self.run(in: "\(folder)/parts")
            try run.train(stopAfter: 10, reporter: parts)
            try run.train(resume: true, reporter: parts)
            #expect(parts.training.map(\.step) == whole.training.map(\.step))
            #expect(parts.training.map(\.loss) == whole.training.map(\.loss))
            #expect(parts.training.map(\.clippedShare) == whole.training.map(\.clippedShare))
            let record = parts.training[1]
            let seconds = try #require(record.cost).phaseSeconds.values.reduce(0, +)
            // Of the steps 11 to 14 only.
            let step = Double(parts.training[0].tokens) / 7
            #expect(abs(seconds * record.tokensPerSecond / (4 * step) - 1) < 0.01)
        }
    }
}
