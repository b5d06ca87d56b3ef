import Collectives
import Corpus
import Foundation
import Inference
import Kernels
import Recurrent
import TestSupport
import Testing

private func trainedParameters(_ configuration: ModelConfiguration) -> Arena {
    let parameters = Arena(ParameterLayout(configuration))
    parameters.initialise(seed: 4)
    return parameters
}

private let configuration = ModelConfiguration(
    cell: .lstm, vocabulary: 13, embedding: 7, hidden: 9, layers: 2, initialRange: 0.5)

private func network(_ parameters: Arena) -> RecurrentPredictor { RecurrentPredictor(configuration, parameters: parameters) }

@Suite struct EvaluatorTests {
    /// 205 tokens: 204 predictions, in 5 streams of 41 or 40, over several internal chunks and a partial one.
    @Test(arguments: [1, 5]) func everyPredictionIsScoredOnceByAnyNumberOfRanks(streams: Int) throws {
        let tokens = source.sample(205, seed: 9)
        let parameters = trainedParameters(configuration)
        let oracle = OracleModel(
            cell: .lstm, layers: 2, vocabulary: 13, embedding: 7, hidden: 9, tied: false,
            parameters: Dictionary(
                uniqueKeysWithValues: parameters.layout.entries.map { ($0.name, parameters.values($0).map(Double.init)) }))
        // The first 204 % 5 = 4 streams are one longer.
        let partition = try StreamPartition(tokens: 205, streams: streams, remainder: .shared)
        let expected = (0..<streams).reduce(0.0) { sum, stream in
            let range = partition.start(of: stream)..<partition.start(of: stream) + partition.length(of: stream)
            return sum
                + oracle.run(
                    OracleChunk(
                        steps: range.count, batch: 1, inputs: Array(tokens[range]),
                        targets: range.map { tokens[$0 + 1] }, initialState: oracle.zeroState(batch: 1))
                ).loss
        }
        let values = Array(parameters.buffer.elements)
        for ranks in [1, 2, 3, 7] {
            let evaluations = try withThreadRanks(ranks) { communicator in
                let own = Arena(ParameterLayout(configuration))
                own.buffer.elements.update(from: values)
                return try Evaluator(
                    network(own), tokens: TokenStore(tokens), streams: streams, communicator: communicator
                ).run()
            }
            #expect(evaluations.allSatisfy { $0 == evaluations[0] })
            #expect(evaluations[0].tokens == 204)
            #expect(abs(evaluations[0].total - expected) < 1e-5 * expected, "\(ranks) ranks")
        }
    }

    /// To the last bit, whatever streams a rank has side by side: all of them, one, or none.
    @Test(arguments: [1, 5, 20, 150]) func anyNumberOfRanksGivesTheSameBits(streams: Int) throws {
        let tokens = source.sample(1205, seed: 9)
        let unknown: Int32 = 4
        let values = Array(trainedParameters(configuration).buffer.elements)
        func evaluate(ranks: Int) throws -> Evaluation {
            let evaluations = try withThreadRanks(ranks) { communicator in
                try Arithmetic.prepare(threads: 1)
                let own = Arena(ParameterLayout(configuration))
                own.buffer.elements.update(from: values)
                return try Evaluator(
                    network(own), tokens: TokenStore(tokens), streams: streams, unknown: unknown, communicator: communicator
                ).run()
            }
            #expect(evaluations.allSatisfy { $0 == evaluations[0] })
            return evaluations[0]
        }
        let one = try evaluate(ranks: 1)
        for ranks in [2, 3, 4, 7, 30] { #expect(try evaluate(ranks: ranks) == one, "\(ranks) ranks") }
        #expect(one.tokens == 1204)
        // Predictions of <unk>: every occurrence but one in the first place.
        #expect(one.unknownTokens == tokens.dropFirst().count { $0 == unknown })
        let rest = (one.total - one.unknownTotal) / Double(1204 - one.unknownTokens)
        #expect(one.unknownTotal > 0 && one.perplexityWithoutUnknown.map { abs($0 - exp(rest)) < 1e-12 * $0 } == true)
    }
}

@Suite struct GeneratorTests {
    private func generate(_ options: SamplingOptions, seed: UInt64, excluded: Int? = nil, length: Int = 200) throws -> [Int32] {
        let generator = try Generator(network(trainedParameters(configuration)), options: options, seed: seed)
        var tokens: [Int32] = []
        try generator.run(prompt: [1, 2, 3], length: length, excluded: excluded) {
            tokens.append($0)
            return true
        }
        return tokens
    }

    @Test func theSeedDecides() throws {
        let first = try generate(SamplingOptions(), seed: 1)
        #expect(first.count == 200)
        #expect(try generate(SamplingOptions(), seed: 1) == first)
        #expect(try generate(SamplingOptions(), seed: 2) != first)
        #expect(Set(first).count > 5)
    }

    @Test func temperatureZeroAndOneCandidateTakeTheMostProbable() throws {
        let greedy = try generate(SamplingOptions(temperature: 0), seed: 1)
        #expect(try generate(SamplingOptions(topK: 1), seed: 2) == greedy)
        #expect(try generate(SamplingOptions(topP: 1e-9), seed: 3) == greedy)
        #expect(try generate(SamplingOptions(temperature: 1e-6), seed: 4) == greedy)
    }

    @Test func excludedTokensNeverCome() throws {
        #expect(try generate(SamplingOptions(temperature: 5), seed: 1).contains(4))
        #expect(try !generate(SamplingOptions(temperature: 5), seed: 1, excluded: 4).contains(4))
    }

    @Test func goesOnWhereItStopped() throws {
        let parameters = trainedParameters(configuration)
        func generator() throws -> Generator {
            try Generator(network(parameters), options: SamplingOptions(), seed: 5)
        }
        func run(_ generator: Generator, _ prompt: [Int32], _ length: Int) throws -> [Int32] {
            var tokens: [Int32] = []
            try generator.run(prompt: prompt, length: length, excluded: nil) {
                tokens.append($0)
                return true
            }
            return tokens
        }
        let whole = try run(generator(), [1, 2], 60)
        let parts = try generator()
        #expect(try run(parts, [1, 2], 25) + run(parts, [], 35) == whole)
        // A new text, after the draws of the first, against the same text read as one prompt.
        let again = try generator()
        _ = try run(again, [7], 25)
        again.reset()
        #expect(try run(again, [1, 2] + whole.prefix(25), 35) == Array(whole.dropFirst(25)))
    }

    @Test func candidatesAreTheDistribution() throws {
        let parameters = trainedParameters(configuration)
        let scorer = try Scorer(network(parameters), start: 1, carriesState: false)
        let predictor = try Predictor(network(parameters))
        let text = source.sample(100, seed: 3)
        let all = try predictor.candidates(after: [1] + text) { _ in true }
        let before = try scorer.score([text])[0].logProbability
        for candidate in all {
            let scored = try scorer.score([text + [Int32(candidate.token)]])[0].logProbability - before
            #expect(abs(exp(scored) - candidate.probability) < 1e-4)
        }
        #expect(Set(all.map(\.token)).count == 13)
        #expect(all.map(\.probability) == all.map(\.probability).sorted(by: >))
        // Only odd tokens may come: the same odds among them.
        let some = try predictor.candidates(after: [1] + text) { $0 % 2 == 1 }
        let odd = all.filter { $0.token % 2 == 1 }
        #expect(some.map(\.token) == odd.map(\.token))
        let mass = odd.reduce(0) { $0 + $1.probability }
        for (a, b) in zip(some, odd) { #expect(abs(a.probability - b.probability / mass) < 1e-12) }
    }

    /// Frequencies of first tokens against the softmax that the scorer gives: top-k and top-p cut and renormalise.
    @Test func frequenciesFollowTheDistribution() throws {
        let parameters = trainedParameters(configuration)
        parameters.matrix("decoder.bias").base[3] = 2  // something to choose from
        let scorer = try Scorer(network(parameters), start: 1, carriesState: false)
        let probabilities = try scorer.score((0..<13).map { [$0] }).map { exp($0.logProbability) }
        #expect(abs(probabilities.reduce(0, +) - 1) < 1e-5)
        let top = probabilities.indices.sorted { probabilities[$0] > probabilities[$1] }
        for (options, kept) in [(SamplingOptions(), top), (SamplingOptions(topK: 3), Array(top.prefix(3)))] {
            var counts = [Int](repeating: 0, count: 13)
            for seed in 0..<3000 {
                let generator = try Generator(network(parameters), options: options, seed: UInt64(seed))
                try generator.run(prompt: [1], length: 1, excluded: nil) {
                    counts[Int($0)] += 1
                    return true
                }
            }
            let mass = kept.reduce(0) { $0 + probabilities[$1] }
            for token in 0..<13 {
                let expected = kept.contains(token) ? probabilities[token] / mass : 0
                #expect(abs(Double(counts[token]) / 3000 - expected) < 0.03)
                if expected == 0 { #expect(counts[token] == 0) }
            }
        }
    }
}

@Suite struct ScorerTests {
    @Test func linesAreIndependentUnlessTheStateIsCarried() throws {
        let parameters = trainedParameters(configuration)
        let lines: [[Int32]] =
            [[1, 2, 3, 0], [4, 0], source.sample(150, seed: 1) + [0]] + (1..<40).map { [$0 % 13, $0 * 5 % 13, 0] }
        func scores(_ lines: [[Int32]], carries: Bool) throws -> [Double] {
            let scorer = try Scorer(network(parameters), start: 0, carriesState: carries)
            return try scorer.score(lines).map(\.logProbability)
        }
        // Neither neighbours nor the place among them change a score.
        let scorer = try Scorer(network(parameters), start: 0, carriesState: false)
        let alone = try lines.map { try scorer.score([$0])[0].logProbability }
        #expect(try scores(lines, carries: false) == alone)
        let inOneBatch = try Scorer(network(parameters), start: 0, carriesState: true)
        #expect(try lines.map { try inOneBatch.score([$0])[0].logProbability } == scores(lines, carries: true))
        #expect(try scores(lines.reversed(), carries: false) == scores(lines, carries: false).reversed())
        // Carried, they are one text: the evaluator's loss of it.
        let text = [0] + lines.joined()
        let whole = try Evaluator(
            network(parameters), tokens: TokenStore(text), streams: 1, communicator: SingleRank()
        ).run()
        #expect(abs(try scores(lines, carries: true).reduce(0, +) + whole.total) < 1e-4)
        #expect(abs(try scores(lines, carries: false).reduce(0, +) + whole.total) > 1e-2)
    }
}

@Suite struct LineEndTests {
    static let lines: [[Int32]] =
        [[5, 1, 2, 0], [0], [4, 0], source.sample(150, seed: 1).map { $0 == 0 ? 1 : $0 } + [0]]
        + (1..<40).map { [$0 % 12 + 1, $0 * 5 % 12 + 1, 0] }

    /// A model that reads each line by itself: the text's loss is the sum of the lines' scores but for the first token, which a
    /// text's loss does not have.
    @Test(arguments: Cell.allCases) func theScoresOfTheLinesAreTheLossOfTheText(cell: Cell) throws {
        var model = configuration
        model.cell = cell
        model.window = cell == .window ? 3 : 1
        let parameters = Arena(ParameterLayout(model))
        parameters.initialise(seed: 4)
        func loss() throws -> Double {
            let text = TokenStore(Array(Self.lines.joined()))
            return try Evaluator(
                RecurrentPredictor(model, parameters: parameters), tokens: text, streams: 1, communicator: SingleRank()
            ).run().total
        }
        func scores(carriesState: Bool) throws -> [LineScore] {
            let scorer = try Scorer(RecurrentPredictor(model, parameters: parameters), start: 0, carriesState: carriesState)
            return try scorer.score(Self.lines, keepingParts: true)
        }
        let carried = try loss()
        model.lineEnd = LineEnd(token: 0, rule: .cut)
        #expect(try loss() == carried)
        model.lineEnd = LineEnd(token: 0, rule: .reset)
        let reset = try scores(carriesState: false)
        let sum = reset.reduce(0) { $0 + $1.logProbability }
        let whole = try loss()
        #expect(abs(whole + sum - reset[0].parts[0]) < 1e-9 * whole)
        #expect(abs(whole - carried) > 1e-2)
        // A line does not see the one before it, even if it could.
        #expect(try scores(carriesState: true) == reset)
    }

    /// Each line of a generated text is one that a new text could be.
    @Test func generatedLinesStartAfresh() throws {
        var model = configuration
        model.lineEnd = LineEnd(token: 0, rule: .reset)
        let parameters = trainedParameters(model)
        func continuation(of prompt: [Int32]) throws -> [Candidate] {
            try Predictor(RecurrentPredictor(model, parameters: parameters)).candidates(after: prompt) { _ in true }
        }
        #expect(try continuation(of: [4, 5, 6, 0, 7, 8]) == continuation(of: [0, 7, 8]))
        #expect(try continuation(of: [4, 5, 6, 7, 8]) != continuation(of: [0, 7, 8]))
    }
}

@Suite struct ExtremeNumberTests {
    /// Finite weights whose output is not: no number and no text, but an error.
    @Test func outputThatIsNotFiniteIsAnError() throws {
        let model = ModelConfiguration(cell: .lstm, vocabulary: 13, embedding: 7, hidden: 9, layers: 1)
        let parameters = Arena(ParameterLayout(model))
        for entry in parameters.layout.entries { parameters.values(entry).fill(3e38) }
        let tokens = TokenStore(source.sample(200, seed: 1))
        let evaluator = try Evaluator(
            RecurrentPredictor(model, parameters: parameters), tokens: tokens, streams: 1, communicator: SingleRank())
        #expect(throws: OutputNotFinite()) { try evaluator.run() }
        let scorer = try Scorer(RecurrentPredictor(model, parameters: parameters), start: 0, carriesState: false)
        #expect(throws: OutputNotFinite()) { try scorer.score([[1, 2, 3]]) }
        let predictor = try Predictor(RecurrentPredictor(model, parameters: parameters))
        #expect(throws: OutputNotFinite()) { try predictor.candidates(after: [1]) { _ in true } }
        let generator = try Generator(RecurrentPredictor(model, parameters: parameters), options: SamplingOptions(), seed: 1)
        #expect(throws: OutputNotFinite()) { try generator.run(prompt: [1], length: 3, excluded: nil) { _ in true } }
    }

    /// Temperatures at the ends of double precision draw a token all the same.
    @Test(arguments: [1e-308, 1e-45, 1e-39, 1e39, 1e308]) func anyTemperatureDraws(temperature: Double) throws {
        var sampler = Sampler(SamplingOptions(temperature: temperature), seed: 1)
        for _ in 0..<20 {
            let logits = Buffer(count: 5)
            logits.elements.update(from: [1, 4, 3, 9, 2])
            let token = logits.elements.withUnsafe { sampler.draw($0, excluded: 3) }
            #expect(token != 3 && (temperature > 1 || token == 1))
        }
    }
}

private let source = MarkovSource(tokens: 13, seed: 3)
