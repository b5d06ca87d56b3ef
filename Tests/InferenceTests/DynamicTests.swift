import Collectives
import Corpus
import Foundation
import Inference
import Kernels
import Recurrent
import TestSupport
import Testing

/// Dynamic evaluation, against a plain computation in double precision.
@Suite struct DynamicTests {
    private static let source = MarkovSource(tokens: 13, seed: 3)
    private let training = TokenStore(source.sample(1501, seed: 8))
    private let text = source.sample(203, seed: 4)
    private let settings = DynamicSettings(rate: 0.004, decay: 0.03, epsilon: 0.001, unroll: 5)

    private func network(tied: Bool, _ rule: LineEnd.Rule = .carry) -> RecurrentPredictor {
        var configuration = ModelConfiguration(
            cell: .lstm, vocabulary: 13, embedding: 8, hidden: [9, 8], dropout: DropoutRates(0.5), tied: tied, initialRange: 0.4)
        configuration.lineEnd = LineEnd(token: 0, rule: rule)
        let parameters = Arena(ParameterLayout(configuration))
        parameters.initialise(seed: 4)
        return RecurrentPredictor(configuration, parameters: parameters)
    }

    private func dynamic(_ network: RecurrentPredictor, _ settings: DynamicSettings? = nil) throws -> DynamicPredictor {
        let settings = settings ?? self.settings
        return DynamicPredictor(network, settings, try GradientStatistics(network, text: training, unroll: settings.unroll))
    }

    private func oracle(_ network: RecurrentPredictor) -> OracleModel {
        OracleModel(
            cell: .lstm, vocabulary: 13, embedding: 8, hidden: [9, 8], tied: network.configuration.tied,
            parameters: Dictionary(
                uniqueKeysWithValues: network.parameters.layout.entries.map { ($0.name, network.parameters.values($0).map(Double.init)) }))
    }

    /// Gradients of 3 batches of 5 tokens of 100 streams, then of 5 tokens at a time, all of it in double precision.
    @Test(arguments: [false, true]) func theRuleInDoublePrecision(tied: Bool) throws {
        let network = network(tied: tied)
        let tokens = training.tokens(in: 0..<1501)
        var model = oracle(network)
        let trained = model.parameters
        // 1500 predictions in 100 streams: 15 tokens of each, in 3 batches of 5.
        var squares = trained.mapValues { $0.map { _ in 0.0 } }
        var state = model.zeroState(batch: 100)
        for batch in 0..<3 {
            let places = (0..<5).flatMap { t in (0..<100).map { $0 * 15 + batch * 5 + t } }
            let result = model.run(
                OracleChunk(
                    steps: 5, batch: 100, inputs: places.map { tokens[$0] }, targets: places.map { tokens[$0 + 1] }, initialState: state))
            state = result.finalState
            for (name, gradient) in result.gradients {
                for (place, g) in gradient.enumerated() { squares[name]![place] += g * g / 250_000 }
            }
        }
        let usual = squares.mapValues { $0.map { ($0 / 3).squareRoot() } }
        let mean = usual.values.map { $0.reduce(0, +) / Double($0.count) }.reduce(0, +) / Double(usual.count)

        var (expected, first) = (0.0, 0.0)
        state = model.zeroState(batch: 1)
        for start in stride(from: 0, to: 202, by: 5) {
            let count = min(5, 202 - start)
            let result = model.run(
                OracleChunk(
                    steps: count, batch: 1, inputs: Array(text[start..<start + count]), targets: Array(text[start + 1...start + count]),
                    initialState: state))
            state = result.finalState
            expected += result.loss
            if start == 0 { first = result.loss }
            for (name, gradient) in result.gradients {
                for (place, g) in gradient.enumerated() {
                    let (w, rms) = (model.parameters[name]![place], usual[name]![place])
                    model.parameters[name]![place] =
                        w + min(1, 0.03 * rms / mean) * (trained[name]![place] - w) - 0.004 * g / Double(count) / (rms + 0.001)
                }
            }
        }
        let predictor = try dynamic(network)
        let evaluator = try Evaluator(predictor, tokens: TokenStore(text), streams: 1, communicator: SingleRank())
        let found = try evaluator.run()
        #expect(found.tokens == 202 && abs(found.total - expected) < 1e-4 * expected)
        let still = try Evaluator(network, tokens: TokenStore(text), streams: 1, communicator: SingleRank()).run().total
        #expect(found.total < still - 1 && first < expected)
        // The trained weights are as they were, and a second reading begins with them.
        #expect(oracle(network).parameters == trained)
        #expect(try evaluator.run() == found)
    }

    /// A rate of nothing learns nothing; one that is far too high is an error that says so.
    @Test func ratesAtTheEnds() throws {
        let network = network(tied: false)
        func total(rate: Double) throws -> Double {
            let predictor = try dynamic(network, DynamicSettings(rate: rate, decay: 0, epsilon: 1e-5, unroll: 5))
            return try Evaluator(predictor, tokens: TokenStore(text), streams: 1, communicator: SingleRank()).run().total
        }
        let still = try Evaluator(network, tokens: TokenStore(text), streams: 1, communicator: SingleRank()).run().total
        #expect(try abs(total(rate: 1e-30) - still) < 1e-9 * still)
        let error = #expect(throws: AdaptationDiverged.self) { try total(rate: 1e30) }
        #expect("\(error!)".contains("lower --dynamic-rate (it is 1e+30)"))
        network.parameters.values(network.parameters.layout["decoder.bias"])[2] = .nan
        #expect(throws: OutputNotFinite()) { try total(rate: 1e-3) }
    }

    /// With a cache around it and another model beside it; and with lines that start afresh.
    @Test func togetherWithTheOthers() throws {
        let cache = CacheSettings(positions: 40, theta: 0.3, weight: 0.2)
        func total(_ predictor: any TokenPredictor) throws -> Double {
            try Evaluator(predictor, tokens: TokenStore(text), streams: 1, communicator: SingleRank()).run().total
        }
        let network = network(tied: false)
        // In chunks of 5, as the predictor asks for: the order of reading and learning is the same.
        let cached = try CachePredictor(dynamic(network), cache)
        #expect(cached.chunkLength == 5)
        var losses: [(model: Double, both: Double)] = []
        let evaluator = try Evaluator(cached, tokens: TokenStore(text), streams: 1, communicator: SingleRank())
        _ = try evaluator.run(each: { losses.append((cached.parts[0], $1)) })
        #expect(try abs(losses.reduce(0) { $0 + $1.model } - total(dynamic(network))) < 1e-9)
        #expect(losses[0].model == losses[0].both && losses[100].model != losses[100].both)
        let mixture = try MixturePredictor([CachePredictor(dynamic(network), cache), self.network(tied: true)], weights: [0.7, 0.3])
        #expect(try total(mixture).isFinite && mixture.chunkLength == 5)
        #expect(try total(dynamic(self.network(tied: false, .reset))) != total(dynamic(network)))
    }

    @Test func memoryIsKnownToTheByte() throws {
        for tied in [false, true] {
            let network = network(tied: tied)
            let (measured, used) = (Buffer.Tally(), Buffer.Tally())
            let statistics = try Buffer.$tally.withValue(measured) { try GradientStatistics(network, text: training, unroll: 5) }
            try Buffer.$tally.withValue(used) { try DynamicPredictor(network, settings, statistics).reserve(streams: 1, steps: 5) }
            let kept = 4 * network.parameters.layout.count
            #expect(DynamicPredictor.memory(network.configuration, settings) == max(measured.bytes, kept + used.bytes))
        }
    }
}
