import Collectives
import Corpus
import Foundation
import Inference
import Kernels
import Randomness
import Recurrent
import TestSupport
import Testing

/// The neural cache: against exact values, against a plain computation in double precision, and around a network.
@Suite struct CacheTests {
    /// Hidden vectors and probabilities by position, whatever the tokens.
    private final class Scripted: HiddenStatePredictor {
        let vectors: [[Float]]
        let distribution: [Double]
        let lineStart: Int32?
        private var position = 0
        private var steps = 0
        private var streams = 1
        private let rows: Buffer
        private let output: Buffer

        init(_ vectors: [[Float]], _ distribution: [Double], lineStart: Int32? = nil) {
            self.vectors = vectors
            self.distribution = distribution
            self.lineStart = lineStart
            rows = Buffer(count: 64 * vectors[0].count * 8)
            output = Buffer(count: distribution.count)
        }

        var vocabularySize: Int { distribution.count }
        var hiddenSize: Int { vectors[0].count }
        var hidden: Matrix { Matrix(rows.base, rows: steps * streams, columns: hiddenSize) }
        func reserve(streams: Int, steps: Int) {}
        func refresh() {}
        func reset(streams: Int) { (position, self.streams) = (0, streams) }

        func read(_ tokens: UnsafePointer<Int32>, steps: Int) {
            self.steps = steps
            for row in 0..<steps * streams {
                for (place, value) in vectors[position + row / streams].enumerated() { rows.elements[row * hiddenSize + place] = value }
            }
            position += steps
        }

        func losses(of targets: UnsafePointer<Int32>, each: (Int, Double) -> Void) {
            for row in 0..<steps * streams where targets[row] >= 0 { each(row, -log(distribution[Int(targets[row])])) }
        }

        func logits(ofStream stream: Int) -> UnsafeMutableBufferPointer<Float> {
            for (word, p) in distribution.enumerated() { output.elements[word] = Float(log(p) + 3) }
            return UnsafeMutableBufferPointer(start: output.base, count: output.count)
        }
    }

    /// The losses of a text's tokens but the first.
    private func losses(_ predictor: any TokenPredictor, _ text: [Int32], chunk: Int = 64) throws -> [Double] {
        try predictor.reserve(streams: 1, steps: chunk)
        predictor.reset(streams: 1)
        var losses: [Double] = []
        for first in stride(from: 0, to: text.count - 1, by: chunk) {
            let count = min(chunk, text.count - 1 - first)
            try predictor.read(Array(text[first..<first + count]), steps: count)
            try predictor.losses(of: Array(text[first + 1...first + count])) { losses.append($1) }
        }
        return losses
    }

    /// Three positions, H = 2, theta 0.7, weight 0.2: the values of a reference program.
    @Test func exactValues() throws {
        let script = Scripted([[1, 0], [0.5, 0.5], [0, 1], [0.8, 0.6]], [0.5, 0.3, 0.2])
        let expected = [0.46655791, 0.24, 0.29344209]
        for word in 0..<3 {
            let cache = CachePredictor(script, CacheSettings(positions: 3, theta: 0.7, weight: 0.2))
            let last = try losses(cache, [1, 2, 0, 2, Int32(word)]).last!
            #expect(abs(exp(-last) - expected[word]) < 1e-7)
            let candidates = try Predictor(cache).candidates(after: [1, 2, 0, 2]) { _ in true }
            #expect(abs(candidates.first { $0.token == word }!.probability - expected[word]) < 1e-7)
        }
        // Weights of the three positions alone: words 0 and 2.
        let cache = CachePredictor(script, CacheSettings(positions: 3, theta: 0.7, weight: 0.2))
        _ = try losses(cache, [1, 2, 0, 2, 0])
        #expect(abs(exp(-cache.parts[1]) - 0.33278956) < 1e-7)
        _ = try losses(cache, [1, 2, 0, 2, 2])
        #expect(abs(exp(-cache.parts[1]) - 0.66721044) < 1e-7)
        _ = try losses(cache, [1, 2, 0, 2, 1])
        #expect(cache.parts[1] == .infinity)
    }

    /// Every prediction of a long text, by sums over all positions in double precision.
    private func plain(
        _ script: Scripted, _ text: [Int32], _ settings: CacheSettings, vectors: [[Double]]
    ) -> [Double] {
        (0..<text.count - 1).map { t in
            let start = script.lineStart.flatMap { end in text[...t].lastIndex(of: end) } ?? 0
            let positions = max(start, t - settings.positions)..<t
            let model = script.distribution[Int(text[t + 1])]
            if positions.isEmpty { return -log(model) }
            let scores = positions.map { i in settings.theta * zip(vectors[i], vectors[t]).reduce(0) { $0 + $1.0 * $1.1 } }
            let largest = scores.max()!
            let weights = scores.map { exp($0 - largest) }
            let hits = zip(positions, weights).reduce(0) { text[$1.0 + 1] == text[t + 1] ? $0 + $1.1 : $0 }
            return -log((1 - settings.weight) * model + settings.weight * hits / weights.reduce(0, +))
        }
    }

    /// Windows that are never full, that move, of one position; chunks of any length; a line's end that empties the cache.
    @Test(arguments: [1, 20, 300, 2000], [1, 64]) func sumsOverThePositions(positions: Int, chunk: Int) throws {
        var random = PhiloxSequence(seed: 3, purpose: .corpus)
        let text = MarkovSource(tokens: 11, seed: 2).sample(700, seed: 1)
        let vectors = text.map { _ in (0..<5).map { _ in Float(random.uniform() * 4 - 2) } }
        for lineStart in [nil, 7] as [Int32?] {
            let script = Scripted(vectors, (1...11).map { Double($0) / 66 }, lineStart: lineStart)
            for theta in [0, 0.6, 1e4] {
                let settings = CacheSettings(positions: positions, theta: theta, weight: 0.3)
                let found = try losses(CachePredictor(script, settings), text, chunk: chunk)
                let expected = plain(script, text, settings, vectors: vectors.map { $0.map(Double.init) })
                #expect(found.count == 699)
                if theta < 1e3 { #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-5 }) }
                #expect(found.allSatisfy { $0.isFinite && $0 > 0 })
            }
        }
    }

    // MARK: Around a network

    private static let source = MarkovSource(tokens: 13, seed: 3)
    private let text = source.sample(900, seed: 4)

    private func network(_ rule: LineEnd.Rule = .carry) -> RecurrentPredictor {
        var configuration = ModelConfiguration(
            cell: .lstm, vocabulary: 13, embedding: 7, hidden: [9, 6], connections: .dense, initialRange: 0.5)
        configuration.lineEnd = LineEnd(token: 0, rule: rule)
        let parameters = Arena(ParameterLayout(configuration))
        parameters.initialise(seed: 4)
        return RecurrentPredictor(configuration, parameters: parameters)
    }

    private func cache(_ rule: LineEnd.Rule = .carry) -> CachePredictor {
        CachePredictor(network(rule), CacheSettings(positions: 50, theta: 0.4, weight: 0.25))
    }

    /// To the bit on any ranks, with streams beside each other or alone.
    @Test(arguments: [1, 5, 20]) func anyNumberOfRanksGivesTheSameBits(streams: Int) throws {
        @Sendable func evaluate(_ communicator: any Communicator) throws -> Evaluation {
            try Evaluator(cache(), tokens: TokenStore(text), streams: streams, communicator: communicator).run()
        }
        let one = try evaluate(SingleRank())
        for ranks in [2, 3, 7] { #expect(try withThreadRanks(ranks, evaluate).allSatisfy { $0 == one }) }
        let without = try Evaluator(network(), tokens: TokenStore(text), streams: streams, communicator: SingleRank()).run()
        #expect(one.total != without.total)
    }

    /// The candidates' probabilities are those that scoring gives, and generating takes the best of them.
    @Test func candidatesAreTheDistribution() throws {
        let candidates = try Predictor(cache()).candidates(after: text) { _ in true }
        #expect(abs(candidates.reduce(0) { $0 + $1.probability } - 1) < 1e-12)
        for candidate in candidates {
            #expect(try abs(losses(cache(), text + [Int32(candidate.token)]).last! + log(candidate.probability)) < 1e-5)
        }
        let generator = try Generator(cache(), options: SamplingOptions(temperature: 0), seed: 1)
        try generator.run(prompt: text, length: 1, excluded: nil) {
            #expect(Int($0) == candidates[0].token)
            return false
        }
    }

    /// Each line is a text with a cache of its own; with carried state the cache lasts. With `reset` the lines of a text are
    /// texts, so that its loss is the sum of their scores.
    @Test func linesAndTheCache() throws {
        let lines = Self.source.sample(400, seed: 9).split(separator: 0).map { Array($0) + [0] }
        func scores(_ rule: LineEnd.Rule, carries: Bool) throws -> [LineScore] {
            try Scorer(cache(rule), start: 0, carriesState: carries).score(lines, keepingParts: true)
        }
        for line in [0, 3, lines.count - 1] {
            let alone = try Scorer(cache(), start: 0, carriesState: false).score([lines[line]])[0].logProbability
            #expect(try scores(.carry, carries: false)[line].logProbability == alone)
        }
        #expect(try scores(.carry, carries: true)[3].logProbability != scores(.carry, carries: false)[3].logProbability)
        let reset = try scores(.reset, carries: false)
        #expect(try scores(.reset, carries: true) == reset)
        let whole = try Evaluator(cache(.reset), tokens: TokenStore(Array(lines.joined())), streams: 1, communicator: SingleRank()).run()
        let sum = reset.reduce(0) { $0 + $1.logProbability } - reset[0].parts[0]
        #expect(abs(whole.total + sum) < 1e-9 * whole.total)
    }

    /// The weight that suits each theta is that of the mean of model and cache, on any ranks, some of which have nothing to read.
    @Test func thetasAreComparedSideBySide() throws {
        let thetas = [0.1, 0.4, 1]
        @Sendable func fit(_ communicator: any Communicator) throws -> [[Double]] {
            let several = cache()
            several.thetas = thetas
            let losses = try PartLosses(of: several, text: TokenStore(text), communicator: communicator)
            return try thetas.indices.map {
                let (weights, nats) = try losses.bestWeights(of: [0, 1 + $0])
                return weights + [nats]
            }
        }
        let found = try fit(SingleRank())
        for ranks in [3, 20] { #expect(try withThreadRanks(ranks, fit).allSatisfy { $0 == found }) }
        for (index, theta) in thetas.enumerated() {
            let (weights, nats) = (found[index], found[index][2])
            func loss(_ weight: Double) throws -> Double {
                let cache = CachePredictor(network(), CacheSettings(positions: 50, theta: theta, weight: weight))
                return try Evaluator(cache, tokens: TokenStore(text), streams: PartLosses.streams, communicator: SingleRank()).run().total
            }
            #expect(try abs(loss(weights[1]) - nats) < 1e-6 * nats)
            #expect(try loss(min(0.99, weights[1] + 0.02)) >= nats - 1e-6 && loss(max(0, weights[1] - 0.02)) >= nats - 1e-6)
        }
    }

    @Test func memoryIsKnownToTheByte() throws {
        for (streams, steps) in [(1, 1), (3, 64), (2, 300)] {
            func allocated(_ predictor: any TokenPredictor) throws -> Int {
                let tally = Buffer.Tally()
                try Buffer.$tally.withValue(tally) { try predictor.reserve(streams: streams, steps: steps) }
                return tally.bytes
            }
            let expected = CachePredictor.memory(positions: 50, hidden: network().hiddenSize, vocabulary: 13, streams: streams, steps: steps)
            #expect(try allocated(cache()) - allocated(network()) == expected)
        }
        #expect(CachePredictor.memory(positions: .max, hidden: 1000, vocabulary: 9, streams: 64, steps: 64) == nil)
    }
}
