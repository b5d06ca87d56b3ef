import Foundation
import Kernels
import Randomness
import Recurrent
import TestSupport
import Testing

@Suite struct SampledSoftmaxTests {
    /// Scores and noise of a plain program: target first, then three samples.
    private static let (scores, noise) = ([1, 0.2, -0.5, 0.3], [0.4, 0.3, 0.2, 0.1])

    static let known: [(SampledSoftmax.Loss, nats: Double, gradients: [Double])] = [
        (.nce, 3.6263284716, [-0.30625668, 0.57575241, 0.50270638, 0.81816626]),
        (.blackout, 2.3509812544, [-1.06700404, 0.13439141, 0.09456312, 0.8380495]),
        (.softmax, 1.3941898150, [-0.75196609, 0.14859843, 0.11068769, 0.49267997]),
    ]

    @Test(arguments: known) func lossesAndGradientsAreTheKnownOnes(loss: SampledSoftmax.Loss, nats: Double, gradients: [Double]) {
        let factor = loss == .nce ? 3.0 : 1
        var corrected = zip(Self.scores, Self.noise).map { Float($0 - log(factor * $1)) }
        var target = corrected.removeFirst()
        let found = Self.differentiate(loss, &target, &corrected)
        #expect(abs(found - nats) < 1e-6)
        for (a, b) in zip([target] + corrected, gradients) { #expect(abs(Double(a) - b) < 1e-6) }
    }

    /// - Parameter token: the target, where the samples are the tokens 0, 1, ...
    private static func differentiate(
        _ loss: SampledSoftmax.Loss, _ target: inout Float, _ scores: inout [Float], token: Int32 = -1, using vectors: Vectors = .active
    ) -> Double {
        let (offsets, tokens) = (scores.map { _ in Float(0) }, scores.indices.map { Int32($0) })
        var sums = scores.map { _ in Float(1) }
        let nats = scores.withUnsafeMutableBufferPointer { scores in
            let row = SampleScores(
                scores.baseAddress!, offsets: offsets, sums: &sums, tokens: tokens, count: scores.count, using: vectors)
            return loss.differentiate(token, target: &target, row)
        }
        #expect(sums == scores.map { 1 + $0 })
        return nats
    }

    /// As many scores as fill vectors, and do not; as fill a block of the sums, and do not. The last but one is the target.
    @Test(arguments: SampledSoftmax.Loss.allCases, [2, 7, 8, 16, 17, 33, 511, 512, 513, 1500])
    func lossesAreThoseOfTheDefinitionWithAllInstructions(loss: SampledSoftmax.Loss, count: Int) {
        var random = PhiloxSequence(seed: UInt64(count), purpose: .corpus)
        let scores = (0..<count).map { _ in Float(random.uniform() * 12 - 6) }
        var z = scores.map(Double.init)
        z.remove(at: count - 2)
        var found: [[UInt32]] = []
        for vectors in Vectors.available {
            var (target, gradients) = (Float(0.7), scores)
            let nats = Self.differentiate(loss, &target, &gradients, token: Int32(count - 2), using: vectors)
            #expect(abs(nats - Self.loss(loss, [Double(Float(0.7))] + z)) < 1e-6 * max(1, nats))
            #expect(gradients[count - 2] == 0)
            let total = (gradients + [target]).reduce(0) { $0 + Double($1) }
            #expect(loss == .nce || abs(total) < 1e-5, "gradients of a softmax add up to 0")
            found.append((gradients + [target, Float(nats)]).map(\.bitPattern))
        }
        #expect(Set(found).count == 1)
    }

    /// Scores that would overflow, a sample that has all of the probability, one that is the target.
    @Test(arguments: SampledSoftmax.Loss.allCases) func extremeScoresStayFinite(loss: SampledSoftmax.Loss) {
        for scores: [Float] in [[-2000, 3000, 2], [2000, -3000, 2], [0, -.infinity, -.infinity], [-90, 90, 90]] {
            var (target, samples) = (scores[0], Array(scores[1...]))
            let nats = Self.differentiate(loss, &target, &samples)
            #expect(nats.isFinite && nats >= 0 && target.isFinite && target <= 0 && samples.allSatisfy(\.isFinite), "\(scores): \(nats)")
            for (score, gradient) in zip(scores[1...], samples) where score == -.infinity { #expect(gradient < 1e-37) }
        }
    }

    private static let counts = [0, 400, 100, 25, 4, 1]

    @Test func noiseFollowsTheCounts() {
        let noise = NoiseSamples(SampledSoftmax(loss: .softmax, samples: 35_000, power: 0.5, counts: Self.counts))
        noise.draw(StepContext(seed: 1, step: 7))
        let first = (0..<35_000).map { noise.tokens[$0] }
        for (token, share) in [0, 20, 10, 5, 2, 1].enumerated() {
            let expected = 35_000 * Double(share) / 38
            #expect(abs(Double(first.count { $0 == token }) - expected) < 4 * expected.squareRoot() + 1e-9)
            if token > 0 { #expect(abs(Double(noise.corrections.base[token]) - log(Double(share) / 38)) < 1e-6) }
        }
        noise.draw(StepContext(seed: 1, step: 8))
        #expect((0..<35_000).map { noise.tokens[$0] } != first)
        noise.draw(StepContext(seed: 1, step: 7))
        #expect((0..<35_000).map { noise.tokens[$0] } == first)
    }

    /// The loss of one row in double precision, by its definition.
    private static func loss(_ kind: SampledSoftmax.Loss, _ z: [Double]) -> Double {
        switch kind {
        case .nce: return log(1 + exp(-z[0])) + z.dropFirst().reduce(0) { $0 + log(1 + exp($1)) }
        case .softmax, .blackout:
            let sum = z.reduce(0) { $0 + exp($1) }
            let target = log(sum) - z[0]
            return kind == .softmax ? target : z.dropFirst().reduce(target) { $0 - log(1 - exp($1) / sum) }
        }
    }

    /// A network that hands the head rows of the embedding, h_t = relu(x_t) with positive x, against the definition and its finite
    /// differences.
    @Test(arguments: SampledSoftmax.Loss.allCases) func gradientsAreThoseOfTheDefinition(kind: SampledSoftmax.Loss) throws {
        let (vocabulary, width, batch, steps) = (23, 7, 4, 5)
        var model = ModelConfiguration(
            cell: .elman, activation: .relu, vocabulary: vocabulary, embedding: width, hidden: width, layers: 1, initialRange: 0.7)
        let softmax = SampledSoftmax(loss: kind, samples: 9, power: 0.5, counts: (0..<vocabulary).map { 40 - $0 })
        model.softmax = .sampled(softmax)
        let layout = ParameterLayout(model)
        let (parameters, gradients) = (Arena(layout), Arena(layout))
        parameters.initialise(seed: 3)
        let embedding = parameters.values(layout["encoder.weight"])
        for i in embedding.indices { embedding[i] = abs(embedding[i]) + 0.01 }
        for name in ["rnn.weight_ih_l0", "rnn.weight_hh_l0"] { parameters.values(layout[name]).fill(0) }
        for i in 0..<width { parameters.values(layout["rnn.weight_ih_l0"])[i * width + i] = 1 }
        let bias = parameters.values(layout["decoder.bias"])
        for i in bias.indices { bias[i] = Float(i % 5) / 10 }

        let inputs = (0..<Int32(batch * steps)).map { ($0 * 7 + 3) % 23 }  // all different
        let network = try Network(model, parameters: parameters, gradients: gradients, batch: batch, steps: steps)
        let noise = NoiseSamples(softmax)
        for step in 1...2 {  // the second one finds what the first has left
            let context = StepContext(seed: 5, step: step)
            let targets = (0..<20).map { $0 % 6 == 4 ? -1 : Int32($0 * 11 * step % 23) }
            try network.forward(inputs, steps: steps, context: context)
            var found: [Int: Double] = [:]
            let loss = try network.lossAndBackward(targets) { found[$0] = $1 }

            noise.draw(context)
            let samples = (0..<9).map { Int(noise.tokens[$0]) }
            let weights = parameters.values(layout["decoder.weight"]).map(Double.init)
            var expected = ["decoder.weight", "decoder.bias", "encoder.weight"].reduce(into: [String: [Double]]()) {
                $0[$1] = Array(repeating: 0, count: layout[$1].count)
            }
            var total = 0.0
            for (row, target) in targets.enumerated() where target >= 0 {
                let token = Int(inputs[row])
                let h = embedding[token * width..<(token + 1) * width].map(Double.init)
                let tokens = [Int(target)] + samples.filter { $0 != Int(target) }
                let z = tokens.map { token in
                    (0..<width).reduce(Double(bias[token])) { $0 + weights[token * width + $1] * h[$1] } - Double(noise.corrections.base[token])
                }
                total += Self.loss(kind, z)
                #expect(abs(try #require(found[row]) - Self.loss(kind, z)) < 1e-5)
                for (place, token) in tokens.enumerated() {
                    let sides = [1e-5, -1e-5].map { e in Self.loss(kind, z.enumerated().map { $0 == place ? $1 + e : $1 }) }
                    let delta = (sides[0] - sides[1]) / 2e-5
                    expected["decoder.bias"]![token] += delta
                    for i in 0..<width {
                        expected["decoder.weight"]![token * width + i] += delta * h[i]
                        expected["encoder.weight"]![Int(inputs[row]) * width + i] += delta * weights[token * width + i]
                    }
                }
            }
            #expect(abs(loss.total - total) < 1e-5 * total && loss.tokens == targets.count { $0 >= 0 })
            for (name, want) in expected {
                let worst = zip(gradients.values(layout[name]), want).map { abs(Double($0) - $1) }.max()!
                #expect(worst < 1e-5, "\(name): \(worst)")
            }
            let sparse = layout.sparseRows
            let first = sparse.blocks(of: "decoder.weight").lowerBound
            let rows = Set(network.touchedByHead.map { Int($0) - first }.filter { $0 < vocabulary })
            #expect(rows == Set(samples + targets.filter { $0 >= 0 }.map(Int.init)))
        }
    }

    /// Before the first step, validation finds the noise distribution, and training G = -ln K for every token.
    @Test(arguments: [false, true]) func contrastStartsFromTheNoise(tied: Bool) throws {
        var model = ModelConfiguration(cell: .lstm, vocabulary: 23, embedding: 6, hidden: 6, layers: 1, tied: tied, initialRange: 1e-7)
        let counts = (1...23).map { $0 * $0 }
        let softmax = SampledSoftmax(loss: .nce, samples: 9, power: 0.5, counts: counts)  // so that q = w/276
        model.softmax = .sampled(softmax)
        let layout = ParameterLayout(model)
        let (parameters, gradients) = (Arena(layout), Arena(layout))
        parameters.initialise(seed: 1)
        let inputs = (0..<Int32(23)).map { ($0 * 5) % 23 }
        let validated = try Network(model, parameters: parameters, batch: 1, steps: 23)
        try validated.forward(inputs, steps: 23)
        _ = try validated.loss(Array(0..<23)) { token, nats in #expect(abs(nats + log(Double(token + 1) / 276)) < 1e-5) }

        let context = StepContext(seed: 5, step: 1)
        let noise = NoiseSamples(softmax)
        noise.draw(context)
        let trained = try Network(model, parameters: parameters, gradients: gradients, batch: 1, steps: 23)
        try trained.forward(inputs, steps: 23, context: context)
        _ = try trained.lossAndBackward(Array(0..<23)) { token, nats in
            let others = (0..<9).count { noise.tokens[$0] != token }
            #expect(abs(nats - log(10) - Double(others) * log(1 + 1.0 / 9)) < 1e-5)
        }
    }

    /// A softmax over the samples needs no such start: its corrections cancel the noise.
    @Test(arguments: [SampledSoftmax.Loss.blackout, .softmax]) func otherLossesStartFromABiasOfZero(loss: SampledSoftmax.Loss) {
        var model = ModelConfiguration(cell: .lstm, vocabulary: 23, embedding: 5, hidden: 6, layers: 1)
        model.softmax = .sampled(SampledSoftmax(loss: loss, samples: 3, power: 1, counts: Array(1...23)))
        let parameters = Arena(ParameterLayout(model))
        parameters.initialise(seed: 1)
        #expect(parameters.values(parameters.layout["decoder.bias"]).allSatisfy { $0 == 0 })
    }

    /// A token that the training text lacks starts with the bias of one that occurs once.
    @Test func absentTokensStartLikeRareOnes() {
        var model = ModelConfiguration(cell: .lstm, vocabulary: 6, embedding: 5, hidden: 6, layers: 1)
        model.softmax = .sampled(SampledSoftmax(loss: .nce, samples: 3, power: 0.5, counts: Self.counts))
        let parameters = Arena(ParameterLayout(model))
        parameters.initialise(seed: 1)
        for (bias, share) in zip(parameters.values(parameters.layout["decoder.bias"]), [1, 20, 10, 5, 2, 1]) {
            #expect(abs(Double(bias) - log(Double(share) / 38)) < 1e-6)
        }
    }

    /// Validation computes all tokens.
    @Test func evaluationIsThatOfTheFullSoftmax() throws {
        var model = ModelConfiguration(cell: .lstm, vocabulary: 23, embedding: 5, hidden: 6, layers: 1)
        let full = ParameterLayout(model)
        model.softmax = .sampled(SampledSoftmax(loss: .nce, samples: 3, power: 1, counts: Array(repeating: 1, count: 23)))
        let sampled = ParameterLayout(model)
        #expect(full.entries.map(\.name) == sampled.entries.map(\.name) && full.entries.map(\.offset) == sampled.entries.map(\.offset))
        let parameters = Arena(sampled)
        parameters.initialise(seed: 1)
        let network = try Network(model, parameters: parameters, batch: 1, steps: 4)
        try network.forward([1, 2, 3, 4], steps: 4)
        let loss = try network.loss([2, 3, 4, 5])
        model.softmax = .full
        let other = try Network(model, parameters: parameters, batch: 1, steps: 4)
        try other.forward([1, 2, 3, 4], steps: 4)
        #expect(try other.loss([2, 3, 4, 5]) == loss)
    }
}
