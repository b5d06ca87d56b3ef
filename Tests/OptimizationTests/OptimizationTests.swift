import Glibc
import Kernels
import Optimization
import Randomness
import Recurrent
import TestSupport
import Testing

private let configuration = ModelConfiguration(cell: .lstm, vocabulary: 13, embedding: 5, hidden: 7, layers: 1)

private func randomArena(_ layout: ParameterLayout, seed: UInt64, range: Double) -> Arena {
    let arena = Arena(layout)
    var random = PhiloxSequence(seed: seed, purpose: .corpus)
    for entry in layout.entries {
        let values = arena.values(entry)
        for i in values.indices { values[i] = Float((random.uniform() * 2 - 1) * range) }
    }
    return arena
}

private func dictionary(_ arena: Arena, scale: Double = 1) -> [String: [Double]] {
    Dictionary(
        uniqueKeysWithValues: arena.layout.entries.map { ($0.name, arena.values($0).map { Double($0) * scale }) })
}

@Suite struct OptimizerTests {
    static let rules: [(OptimizerRule, OracleOptimizer.Rule)] = [
        (OptimizerRule(.sgd), .sgd),
        (OptimizerRule(.sgd, weightDecay: 0.1), .sgd),
        (OptimizerRule(.momentum, momentum: 0.8), .momentum(0.8)),
        (OptimizerRule(.momentum, momentum: 0.8, nesterov: true, weightDecay: 0.05), .nesterov(0.8)),
        (OptimizerRule(.adagrad, epsilon: 1e-10), .adagrad()),
        (OptimizerRule(.ntASGD), .asgd), (OptimizerRule(.ntASGD, weightDecay: 0.1), .asgd),
        (OptimizerRule(.adam, weightDecay: 0.1), .adam()),
        (OptimizerRule(.adamw, beta1: 0.8, beta2: 0.95, weightDecay: 0.1), .adamW(beta1: 0.8, beta2: 0.95)),
    ]

    /// Six steps against PyTorch's definitions in double precision, with a scale that has to be applied first.
    @Test(arguments: rules) func stepsMatchTheOracle(rule: OptimizerRule, oracleRule: OracleOptimizer.Rule) {
        let layout = ParameterLayout(configuration)
        let parameters = randomArena(layout, seed: 1, range: 0.5)
        let optimizer = Optimizer(rule, layout: layout)
        var oracle = OracleOptimizer(oracleRule, weightDecay: Double(rule.weightDecay))
        var expected = dictionary(parameters)
        for update in 1...6 {
            let gradients = randomArena(layout, seed: UInt64(100 + update), range: 30)
            oracle.step(&expected, gradients: dictionary(gradients, scale: 0.125), learningRate: 0.05)
            let step = optimizer.step(
                learningRate: 0.05, scale: 0.125, limit: nil, update: update, iterates: rule.name.averages ? update : 0)
            // In parts, which need not begin with a tensor or a vector.
            let cut = layout.count / 3 + update
            step.apply(to: parameters, gradients: gradients, range: cut..<layout.count)
            step.apply(to: parameters, gradients: gradients, range: 0..<cut)
        }
        for entry in layout.entries {
            for (value, want) in zip(parameters.values(entry), expected[entry.name]!) {
                #expect(abs(Double(value) - want) < 2e-6 * max(1, abs(want)), "\(entry.name)")
            }
            guard let average = optimizer.average else { continue }
            for (value, want) in zip(average.values(entry), oracle.average[entry.name]!) {
                #expect(abs(Double(value) - want) < 2e-6 * max(1, abs(want)), "average of \(entry.name)")
            }
        }
        #expect((optimizer.average != nil) == rule.name.averages)
    }

    /// As `torch.optim.ASGD`: the second iterate replaces the first.
    @Test func averagesOfTheFirstIterates() {
        let layout = ParameterLayout(configuration)
        let (parameters, gradients) = (Arena(layout), Arena(layout))
        let optimizer = Optimizer(OptimizerRule(.ntASGD), layout: layout)
        gradients.buffer.fill(-1)
        var (iterates, averages): ([Float], [Float]) = ([], [])
        for update in 1...9 {
            // Four steps before averaging begins.
            let step = optimizer.step(learningRate: 1, scale: 1, limit: nil, update: update, iterates: max(0, update - 4))
            step.apply(to: parameters, gradients: gradients, range: 0..<layout.count)
            iterates.append(parameters.values(layout["decoder.bias"])[11])
            averages.append(optimizer.average?.values(layout["decoder.bias"])[11] ?? 0)
        }
        #expect(iterates == [1, 2, 3, 4, 5, 6, 7, 8, 9])
        #expect(averages == [0, 0, 0, 0, 5, 6, 6.5, 7, 7.5])
    }

    @Test func limitCutsEachComponentAfterScaling() {
        let layout = ParameterLayout(configuration)
        let parameters = Arena(layout)
        let gradients = Arena(layout)
        let bias = gradients.values(layout["decoder.bias"])
        for i in bias.indices { bias[i] = Float(i) - 6 }
        Optimizer(OptimizerRule(.sgd), layout: layout).step(learningRate: 1, scale: 0.5, limit: 1.5, update: 1)
            .apply(to: parameters, gradients: gradients, range: 0..<layout.count)
        #expect(
            Array(parameters.values(layout["decoder.bias"]))
                == [1.5, 1.5, 1.5, 1.5, 1, 0.5, 0, -0.5, -1, -1.5, -1.5, -1.5, -1.5])
    }
}

@Suite struct GradientNormTests {
    @Test func normIsOverAllTensors() {
        let layout = ParameterLayout(configuration)
        let gradients = randomArena(layout, seed: 3, range: 2)
        let expected = dictionary(gradients).values.joined().reduce(0) { $0 + $1 * $1 }.squareRoot()
        let norm = GradientNorm(gradients)
        #expect(abs(norm.value - expected) < 1e-6 * expected)
        #expect(norm.nonFinite == nil)
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity, 3e38]) func aBadComponentIsNamed(value: Float) {
        let layout = ParameterLayout(configuration)
        let gradients = randomArena(layout, seed: 3, range: 2)
        gradients.values(layout["rnn.bias_hh_l0"])[27] = value
        #expect(GradientNorm(gradients).nonFinite == "rnn.bias_hh_l0")
    }
}

@Suite struct AveragingTriggerTests {
    /// Losses of validations after steps 10, 20, ..., and the validation with which averaging begins, counted from 1.
    @Test(arguments: [
        (5, [5, 4, 3, 2, 1, 0.9, 0.8, 0.7], nil), (5, [1, 2, 2, 2, 2, 2, 2], 7), (5, [1, 2, 2, 2, 2, 0.5, 1, 1, 1, 1, 1, 0.4], nil),
        (5, [1, 9, 9, 9, 9, 9, 9, 9], 7), (5, [1, 9, 9, 9, 9, 9], nil), (5, [1, 1, 1, 1, 1, 1, 1], nil),
        (2, [3, 1, 2, 2, 2, 0.5], 5), (1, [3, 2, 2.5, 2.6], 4), (0, [3, 2, 2, 2.1], 4), (0, [1, 1.5], 2), (0, [1], nil),
    ] as [(Int, [Double], Int?)]) func averagingBeginsWhenTheLossIsNoLongerMonotone(interval: Int, losses: [Double], start: Int?) {
        var trigger = AveragingTrigger(interval: interval)
        for (index, loss) in losses.enumerated() {
            #expect(trigger.validated(loss: loss, step: 10 * (index + 1)) == (index + 1 == start))
            #expect(trigger.losses == Array(losses.prefix(min(index + 1, start ?? .max))))
        }
        #expect(trigger.start == start.map { 10 * $0 })
        let step = 10 * (start ?? 1)
        #expect([-1, 0, 1, 7].map { trigger.iterates(after: step + $0) } == (start == nil ? [0, 0, 0, 0] : [0, 0, 1, 7]))
    }
}

@Suite struct LearningRateScheduleTests {
    @Test func decayStartsAfterItsEpoch() {
        let schedule = LearningRateSchedule(.decay(factor: 0.5, afterEpoch: 2), base: 8, steps: 5)
        #expect((1...5).map { schedule.rate(step: 1, epoch: $0) } == [8, 8, 4, 2, 1])
    }

    @Test func plateauReducesWhenPatienceRunsOut() {
        var schedule = LearningRateSchedule(.plateau(factor: 0.25, patience: 1, minimum: 1), base: 20, steps: 9)
        var rates: [Double] = []
        for improved in [true, false, true, false, false, false, false, false, false] {
            _ = schedule.validated(improved: improved)
            rates.append(schedule.rate(step: 1, epoch: 1))
        }
        #expect(rates == [20, 20, 20, 20, 5, 5, 1.25, 1.25, 1])
    }

    @Test func cosineWarmsUpAndEndsAtTheMinimum() {
        let schedule = LearningRateSchedule(.cosine(warmupSteps: 10, minimum: 0.1), base: 1, steps: 110)
        #expect(abs(schedule.rate(step: 5, epoch: 1) - 0.5) < 1e-12)
        #expect(abs(schedule.rate(step: 10, epoch: 1) - 1) < 1e-12)
        #expect(abs(schedule.rate(step: 60, epoch: 1) - 0.55) < 1e-12)
        #expect(abs(schedule.rate(step: 110, epoch: 1) - 0.1) < 1e-12)
        #expect(abs(schedule.rate(step: 500, epoch: 1) - 0.1) < 1e-12)
    }
}
