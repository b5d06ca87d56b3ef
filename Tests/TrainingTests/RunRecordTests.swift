import Checkpoints
import Corpus
import Foundation
import Optimization
import Recurrent
import TestSupport
import Testing
import Training

/// Gradients at the ends of the range.
@Suite struct ExtremeGradientTests {
    /// A vocabulary of one leaves nothing to learn: every gradient is zero, and nothing may be divided by it.
    @Test(arguments: OptimizerRule.Name.allCases) func zeroNormChangesNothing(rule: OptimizerRule.Name) throws {
        try withTemporaryFolder { folder in
            func weights(afterStep steps: Int) throws -> [UInt8]? {
                let run = SmallRun(
                    vocabulary: 1, tokens: Array(repeating: 0, count: 1000), folder: "\(folder)/\(steps)", steps: steps,
                    optimizer: OptimizerRule(rule), clip: .norm(1))
                let recorder = Recorder()
                try run.train(reporter: recorder)
                #expect(recorder.training.allSatisfy { $0.gradientNorm == 0 && $0.loss == 0 && $0.clippedShare == 0 })
                return try run.bytes(ofStep: steps)["model.safetensors"]
            }
            let (early, late) = try (weights(afterStep: 1), weights(afterStep: 4))
            #expect(early != nil && early == late)
        }
    }
}

/// The reports and checkpoints of a run.
@Suite struct RunRecordTests {
    @Test func aFinishedRunIsNotValidatedAgain() throws {
        try withTemporaryFolder { folder in
            let run = SmallRun(
                tokens: source.sample(1000, seed: 1), validation: source.sample(300, seed: 2), folder: folder, steps: 20)
            let recorder = Recorder()
            try run.train(reporter: recorder)
            #expect(recorder.validation.map(\.step) == [17, 20])
            let again = Recorder()
            let result = try run.train(resume: true, reporter: again)
            #expect(result.finished && result.tokens == 0)
            #expect(again.validation.isEmpty && again.training.isEmpty)
        }
    }

    /// The plateau schedule must not see the extra validation at the end, or making a run longer would change it.
    /// Nor may that validation be the best that later ones have to improve on: the learning rate is so high that many are worse.
    @Test func aLongerRunContinuesAsIfItHadBeenLongFromTheStart() throws {
        try withTemporaryFolder { folder in
            func run(_ name: String, steps: Int) -> SmallRun {
                var run = SmallRun(
                    tokens: source.sample(1000, seed: 1), validation: source.sample(300, seed: 2),
                    folder: "\(folder)/\(name)", steps: steps, learningRate: 8,
                    schedule: .plateau(factor: 0.5, patience: 0))
                run.options.validation.everySteps = 4
                return run
            }
            try run("whole", steps: 60).train()
            for end in [1, 2, 3, 5, 6, 7, 9, 11, 21] {
                try run("\(end)", steps: end).train()
                try run("\(end)", steps: 60).train(resume: true)
                #expect(try run("whole", steps: 60).bytes(ofStep: 60) == run("\(end)", steps: 60).bytes(ofStep: 60), "ended after \(end)")
            }
        }
    }

    /// Nothing can be saved, because a file is where the folder should be; then it is out of the way.
    @Test func aFailedSaveInTheMidstCostsAWarningAndNotTheRun() throws {
        try withTemporaryFolder { folder in
            var run = SmallRun(tokens: source.sample(1000, seed: 1), folder: folder, steps: 20)
            run.options.checkpoints.everySteps = 5
            try "in the way".write(toFile: "\(folder)/checkpoints", atomically: true, encoding: .utf8)
            let recorder = Recorder()
            #expect(throws: (any Error).self) { try run.train(reporter: recorder) }
            #expect(recorder.training.count == 20 && recorder.warnings.count == 3)
            #expect(recorder.warnings.allSatisfy { $0.contains("not saved") && $0.contains("checkpoints") })
        }
    }
}
