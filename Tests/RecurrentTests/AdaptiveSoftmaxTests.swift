import Kernels
import Randomness
import Recurrent
import TestSupport
import Testing

/// The head alone: a network that hands it rows of the embedding, h_t = relu(x_t) with positive x, so that the embedding's gradient is
/// the hidden values'.
@Suite struct AdaptiveSoftmaxTests {
    private struct Case {
        let model: ModelConfiguration
        let oracle: OracleAdaptiveSoftmax
        /// [V, H].
        let embedding: [Double]
        let parameters: Arena

        init(_ oracle: OracleAdaptiveSoftmax, embedding: [Double]) {
            (self.oracle, self.embedding) = (oracle, embedding)
            var model = ModelConfiguration(
                cell: .elman, activation: .relu, vocabulary: oracle.vocabulary, embedding: oracle.width, hidden: oracle.width, layers: 1)
            model.softmax = .adaptive(
                AdaptiveSoftmax(cutoffs: oracle.cutoffs, projections: oracle.projections, vocabulary: oracle.vocabulary))
            self.model = model
            let layout = ParameterLayout(model)
            parameters = Arena(layout)
            for (name, values) in oracle.parameters { parameters.values(layout[name]).update(from: values.map(Float.init)) }
            parameters.values(layout["encoder.weight"]).update(from: embedding.map(Float.init))
            let identity = parameters.values(layout["rnn.weight_ih_l0"])
            for i in 0..<oracle.width { identity[i * oracle.width + i] = 1 }
        }

        func hidden(_ token: Int32) -> [Double] { Array(embedding[Int(token) * oracle.width..<Int(token + 1) * oracle.width]) }

        static func random(vocabulary: Int, cutoffs: [Int], projections: [Int], width: Int) -> Case {
            var numbers = PhiloxSequence(seed: 5, purpose: .initialisation)
            var parameters = ["head.weight": numbers.uniforms((cutoffs[0] + cutoffs.count) * width, range: 1)]
            let bounds = cutoffs + [vocabulary]
            for (i, p) in projections.enumerated() {
                parameters["tail.\(i).0.weight"] = numbers.uniforms(p * width, range: 1)
                parameters["tail.\(i).1.weight"] = numbers.uniforms((bounds[i + 1] - bounds[i]) * p, range: 1)
            }
            let oracle = OracleAdaptiveSoftmax(
                vocabulary: vocabulary, cutoffs: cutoffs, projections: projections, width: width,
                parameters: parameters.mapValues { $0.map { Double(Float($0)) } })
            return Case(oracle, embedding: numbers.uniforms(vocabulary * width, range: 1).map { Double(Float(abs($0) + 0.01)) })
        }
    }

    private static let (steps, batch) = (5, 4)
    private static let test = Case.random(vocabulary: 23, cutoffs: [6, 12, 20], projections: [4, 2, 1], width: 7)
    private static let inputs = (0..<Int32(steps * batch)).map { ($0 * 7 + 3) % 23 }  // all different

    /// Some rows have no target; the last tail has none in the second list, the head's tokens none in the third.
    private static let targets: [[Int32]] = [
        (0..<20).map { $0 % 6 == 4 ? -1 : Int32($0 * 11 % 23) }, (0..<20).map { Int32($0 * 3 % 19) }, (0..<20).map { 6 + Int32($0 * 5 % 17) },
    ]

    @Test(arguments: targets) func lossesAndGradientsAreTheOracles(targets: [Int32]) throws {
        let test = Self.test
        let gradients = Arena(test.parameters.layout)
        gradients.buffer.fill(.nan)  // whatever is not written shows
        gradients.values(gradients.layout["encoder.weight"]).fill(0)
        let network = try Network(test.model, parameters: test.parameters, gradients: gradients, batch: Self.batch, steps: Self.steps + 1)
        try network.forward(Self.inputs, steps: Self.steps)
        var losses: [Int: Double] = [:]
        let evaluated = try network.loss(targets) { losses[$0] = $1 }
        var again: [Int: Double] = [:]
        let loss = try network.lossAndBackward(targets) { again[$0] = $1 }
        #expect(again == losses)

        var expected: [String: [Double]] = test.oracle.parameters.mapValues { $0.map { _ in 0 } }
        expected["encoder.weight"] = test.embedding.map { _ in 0 }
        var total = 0.0
        for (row, target) in targets.enumerated() where target >= 0 {
            let token = Self.inputs[row]
            let one = test.oracle.loss(test.hidden(token), target: Int(target))
            total += one.loss
            #expect(abs(try #require(losses[row]) - one.loss) < 1e-5 * one.loss)
            for (name, values) in one.gradients { for i in values.indices { expected[name]![i] += values[i] } }
            for i in one.hidden.indices { expected["encoder.weight"]![Int(token) * test.oracle.width + i] += one.hidden[i] }
        }
        let predictions = targets.count { $0 >= 0 }
        #expect(loss.tokens == predictions && losses.count == predictions && loss == evaluated)
        #expect(abs(loss.total - total) < 1e-5 * total)
        for (name, want) in expected {
            let found = gradients.values(gradients.layout[name])
            let worst = zip(found, want).map { abs(Double($0) - $1) }.max()!
            #expect(worst < 1e-5, "\(name): \(worst)")
        }
        // The tails that targets lie in, and no other.
        let sparse = gradients.layout.sparseRows
        let touched = Set(network.touchedByHead.map { gradients.layout.entries[sparse.entry(of: Int($0))].name })
        let tails = [6..<12, 12..<20, 20..<23].enumerated().filter { _, ids in targets.contains { ids.contains(Int($0)) } }
        #expect(touched == Set(tails.flatMap { ["tail.\($0.offset).0.weight", "tail.\($0.offset).1.weight"] }))
    }

    /// What generate and complete choose from.
    @Test func logitsAreTheWholeDistribution() throws {
        let test = Self.test
        let network = try Network(test.model, parameters: test.parameters, batch: Self.batch, steps: Self.steps)
        try network.forward(Self.inputs, steps: Self.steps)
        for stream in 0..<Self.batch {
            let want = test.oracle.logProbabilities(test.hidden(Self.inputs[(Self.steps - 1) * Self.batch + stream]))
            let logits = try network.lastLogits(stream: stream).map(Double.init)
            let constant = logits[0] - want[0]
            for (a, b) in zip(logits, want) { #expect(abs(a - constant - b) < 1e-5) }
        }
    }

    /// Numbers from a plain program: V 6, cutoffs 2 and 4, H 4, h = [0.5, -1, 0.25, 2]. The second hidden value is negative, which the
    /// network cannot be, so that its sign is turned here and in the weights.
    @Test func aSmallCaseHasTheKnownLogProbabilities() throws {
        let parameters: [String: [Double]] = [
            "head.weight": [0.1, 0.43, 0.21, 0.09, -0.15, 0.29, -0.12, 0.78, 0.93, -0.23, 0.58, 0.06, 0.14, 0.85, -0.86, -0.83],
            "tail.0.0.weight": [-0.96, 0.67, 0.56, 0.74, 0.96, 0.6, -0.08, 0.56], "tail.0.1.weight": [-0.76, 0.28, -0.71, 0.89],
            "tail.1.0.weight": [0.04, -0.17, -0.47, 0.55], "tail.1.1.weight": [-0.09, 0.14],
        ]
        let turned = parameters.reduce(into: [String: [Double]]()) { result, parameter in
            let readsHidden = parameter.key == "head.weight" || parameter.key.hasSuffix(".0.weight")
            result[parameter.key] = parameter.value.enumerated().map { readsHidden && $0 % 4 == 1 ? -$1 : $1 }
        }
        let oracle = OracleAdaptiveSoftmax(vocabulary: 6, cutoffs: [2, 4], projections: [2, 1], width: 4, parameters: turned)
        let test = Case(oracle, embedding: (0..<6).flatMap { _ in [0.5, 1, 0.25, 2] })
        let network = try Network(test.model, parameters: test.parameters, batch: 6, steps: 1)
        try network.forward([0, 1, 2, 3, 4, 5], steps: 1)
        var nats = [Double](repeating: 0, count: 6)
        _ = try network.loss([0, 1, 2, 3, 4, 5]) { nats[$0] = $1 }
        let known = [-2.05715815, -0.74465815, -2.00095037, -1.37965037, -5.40170599, -5.13203099]
        for (found, want) in zip(nats, known) { #expect(abs(found + want) < 1e-6) }
        for (found, want) in zip(oracle.logProbabilities([0.5, 1, 0.25, 2]), known) { #expect(abs(found - want) < 1e-8) }
    }

    /// Counted by hand: B 2, T 5, H 11, a head of 4 tokens and 2 tails, half and a tenth of the predictions.
    @Test func productsAreCounted() {
        var model = ModelConfiguration(cell: .elman, vocabulary: 40, embedding: 7, hidden: 11, layers: 1)
        model.softmax = .adaptive(AdaptiveSoftmax(cutoffs: [4, 10], projections: [5, 1], vocabulary: 40, shares: [0.5, 0.1]))
        let count = ProductCount(model, batch: 2, steps: 5)
        let forward = 2 * (10 * 6 * 11 + 5 * (11 * 5 + 5 * 6) + 1 * (11 * 1 + 1 * 30))
        #expect(count[.output] == forward && count[.outputBackward] == 2 * forward)
    }

    @Test func projectionsAreThoseOfPyTorch() {
        #expect(AdaptiveSoftmax.projections(width: 200, divisor: 4, tails: 3) == [50, 12, 3])
        #expect(AdaptiveSoftmax.projections(width: 1024, divisor: 2.5, tails: 2) == [409, 163])
        #expect(AdaptiveSoftmax.projections(width: 7, divisor: 8, tails: 1) == [0])
    }
}

/// `model.softmax.cutoffs: auto`.
@Suite struct AdaptiveCutoffsTests {
    private static func zipf(_ vocabulary: Int, tokens: Double) -> [Int] {
        let sum = (1...vocabulary).reduce(0) { $0 + 1 / Double($1) }
        return (1...vocabulary).map { Int(tokens / sum / Double($0)) }
    }

    private static func cost(_ cutoffs: [Int], _ counts: [Int], width: Int, divisor: Double) -> Double {
        let total = Double(counts.reduce(0, +))
        let projections = AdaptiveSoftmax.projections(width: width, divisor: divisor, tails: cutoffs.count)
        let bounds = cutoffs + [counts.count]
        var cost = Double((width + 16) * (cutoffs[0] + cutoffs.count))
        for (i, p) in projections.enumerated() {
            let share = Double(counts[bounds[i]..<bounds[i + 1]].reduce(0, +)) / total
            cost += share * Double(p * width + (p + 16) * (bounds[i + 1] - bounds[i]))
        }
        return cost
    }

    /// No cutoffs of at most two tails (H 40: 10 and 2 values, of which only the first is wide enough; H 160: 40 and 10) are cheaper, by
    /// trying them all.
    @Test(arguments: [40, 160], [3_000.0, 300_000]) func nothingIsCheaper(width: Int, tokens: Double) throws {
        let counts = Self.zipf(99, tokens: tokens)
        let found = AdaptiveCutoffs(counts: counts, width: width, divisor: 4).best
        let limit = max(Double(counts.reduce(0, +)) / 50_000, 40)
        func frequent(_ limit: Double) -> Int { counts.lastIndex { Double($0) > limit }.map { $0 + 1 } ?? 0 }
        let (first, second) = (max(1, frequent(limit)), frequent(limit / 4))
        var best = (cost: Double((width + 16) * 99), cutoffs: [Int]?.none)
        for a in first..<max(first, 99) {
            let candidates = [[a]] + (width < 160 ? [] : (max(a + 1, second)..<max(a + 1, second, 99)).map { [a, $0] })
            for cutoffs in candidates {
                let cost = Self.cost(cutoffs, counts, width: width, divisor: 4)
                if cost < best.cost - 1e-9 { best = (cost, cutoffs) }
            }
        }
        #expect(found.map { Self.cost($0, counts, width: width, divisor: 4) } == best.cutoffs.map { Self.cost($0, counts, width: width, divisor: 4) })
        #expect((found == nil) == (tokens > 100_000), "\(found ?? [])")
    }

    @Test func frequentTokensKeepWideVectors() throws {
        let counts = Self.zipf(30_000, tokens: 2_000_000)
        let cutoffs = try #require(AdaptiveCutoffs(counts: counts, width: 200, divisor: 4).best)
        #expect(cutoffs.count == 2 && counts[cutoffs[0]] <= 40 && counts[cutoffs[1]] <= 10, "\(cutoffs)")
        // Nothing is frequent in a short text of many tokens.
        let rare = try #require(AdaptiveCutoffs(counts: Array(repeating: 1, count: 100_000), width: 200, divisor: 4).best)
        #expect(rare[0] == 1)
        // The most frequent token has the last id: no tail may have it.
        #expect(AdaptiveCutoffs(counts: counts.reversed(), width: 200, divisor: 4).best == nil)
    }
}
