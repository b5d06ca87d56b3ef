import Collectives
import Corpus
import Foundation
import Inference
import Kernels
import NGram
import Recurrent
import TestSupport
import Testing

/// Mixtures of a network and n-gram models of one vocabulary: 9 words, the end of a line (9) and `<unk>` (10).
@Suite struct MixtureTests {
    private static let source = MarkovSource(tokens: 11, seed: 5)
    private let text = source.sample(401, seed: 2)

    private func network(lineEnd: LineEnd? = nil) -> RecurrentPredictor {
        var configuration = ModelConfiguration(cell: .gru, vocabulary: 11, embedding: 5, hidden: 6, layers: 1, initialRange: 0.5)
        configuration.lineEnd = lineEnd
        let parameters = Arena(ParameterLayout(configuration))
        parameters.initialise(seed: 4)
        return RecurrentPredictor(configuration, parameters: parameters)
    }

    private func ngrams(order: Int) throws -> NGramPredictor {
        let words = WordSet(vocabularySize: 11, lineEnd: 9, unknown: 10)
        let counts = try NGramCounts(TokenStore(Self.source.sample(900, seed: 1)), order: order, wordSet: words, communicator: SingleRank())
        return NGramPredictor(try KneserNey(counts).model)
    }

    /// Probabilities of the tokens of a line.
    private func probabilities(_ predictor: any TokenPredictor, _ line: [Int32]) throws -> [Double] {
        try Scorer(predictor, start: 9, carriesState: false).score([line], keepingParts: true)[0].parts.map { exp($0) }
    }

    private func evaluate(_ predictor: any TokenPredictor, streams: Int = 1, _ communicator: any Communicator = SingleRank()) throws -> Double {
        try Evaluator(predictor, tokens: TokenStore(text), streams: streams, communicator: communicator).run().total
    }

    @Test func theMeanOfProbabilities() throws {
        let weights = [0.5, 0.3, 0.2]
        let members: [any TokenPredictor] = [network(), try ngrams(order: 2), try ngrams(order: 3)]
        let each = try members.map { try probabilities($0, text) }
        let mixed = try probabilities(MixturePredictor(members, weights: weights), text)
        for place in text.indices {
            let expected = (0..<3).reduce(0.0) { $0 + weights[$1] * each[$1][place] }
            #expect(abs(mixed[place] - expected) < 1e-9)
        }
        let candidates = try Predictor(MixturePredictor(members, weights: weights)).candidates(after: [9] + text) { _ in true }
        #expect(abs(candidates.reduce(0) { $0 + $1.probability } - 1) < 1e-12)
        for candidate in candidates {
            let scored = try probabilities(MixturePredictor(members, weights: weights), text + [Int32(candidate.token)]).last!
            #expect(abs(scored - candidate.probability) < 1e-5)
        }
        #expect(try zip(probabilities(MixturePredictor(members, weights: [0, 0, 1]), text), each[2]).allSatisfy { abs($0 - $1) < 1e-12 })
        // A mixture is a model that can be mixed.
        let nested = try MixturePredictor([MixturePredictor([members[0], members[1]], weights: [0.625, 0.375]), members[2]], weights: [0.8, 0.2])
        for (a, b) in zip(try probabilities(nested, text), mixed) { #expect(abs(a - b) < 1e-9) }
    }

    /// If one model starts each line afresh, all read the end of a line first, so that the text's loss is that of its lines.
    @Test func linesAreAFactOfTheMixture() throws {
        let lines = text.split(separator: 9).map { Array($0) + [9] }
        let members: [any TokenPredictor] = [try ngrams(order: 3), network(lineEnd: LineEnd(token: 9, rule: .reset))]
        let mixture = MixturePredictor(members, weights: [0.4, 0.6])
        let scores = try Scorer(mixture, start: 9, carriesState: false).score(lines, keepingParts: true)
        let whole = try Evaluator(mixture, tokens: TokenStore(Array(lines.joined())), streams: 1, communicator: SingleRank()).run().total
        let sum = scores.reduce(0) { $0 + $1.logProbability } - scores[0].parts[0]
        #expect(lines.count > 20 && abs(whole + sum) < 1e-9 * whole)
    }

    /// No other weights give the text a lower loss, and any ranks find these, to the bit.
    @Test func fittedWeightsAreTheBest() throws {
        @Sendable func fit(_ communicator: any Communicator) throws -> ([Double], Double) {
            let mixture = MixturePredictor([network(), try ngrams(order: 1), try ngrams(order: 3)])
            return try PartLosses(of: mixture, text: TokenStore(text), communicator: communicator).bestWeights()
        }
        let (best, lowest) = try fit(SingleRank())
        for ranks in [2, 3, 20] { #expect(try withThreadRanks(ranks, fit).allSatisfy { $0.0 == best && $0.1 == lowest }) }
        #expect(abs(best.reduce(0, +) - 1) < 1e-12 && best.allSatisfy { $0 >= 0 })
        func loss(_ weights: [Double]) throws -> Double {
            try evaluate(MixturePredictor([network(), ngrams(order: 1), ngrams(order: 3)], weights: weights), streams: PartLosses.streams)
        }
        #expect(try abs(loss(best) - lowest) < 1e-9 * lowest)
        for (a, b) in [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)] {
            var other = best
            let step = min(0.02, other[a])
            (other[a], other[b]) = (other[a] - step, other[b] + step)
            #expect(try loss(other) >= lowest - 1e-6)
        }
    }

    /// The stationary point is known: three of four tokens are possible for the first model alone.
    @Test func expectationAndMaximisationByHand() throws {
        let never = Double.infinity
        let (weights, nats) = try PartLosses([[1, never, 1, never], [1, never, never, 2]], parts: 2).bestWeights()
        #expect(abs(weights[0] - 0.75) < 1e-6 && abs(weights[1] - 0.25) < 1e-6)
        #expect(abs(nats - (3 * (1 - log(0.75)) + 2 - log(0.25))) < 1e-9)
        // Two tokens with ratios r and 1/r of the probabilities: half of each.
        #expect(try abs(PartLosses([[1, 3, 3, 1]], parts: 2).bestWeights().weights[0] - 0.5) < 1e-12)
    }

    @Test func aLossThatIsNoNumberIsAnError() throws {
        let broken = network()
        broken.parameters.values(broken.parameters.layout["decoder.bias"])[3] = .nan
        #expect(throws: OutputNotFinite()) { try evaluate(MixturePredictor([ngrams(order: 2), broken])) }
        #expect(throws: OutputNotFinite()) {
            try PartLosses(of: MixturePredictor([ngrams(order: 2), broken]), text: TokenStore(text), communicator: SingleRank())
        }
    }
}
