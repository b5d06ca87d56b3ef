import Checkpoints
import Collectives
import Corpus
import Files
import Foundation
import Inference
import NGram
import TestSupport
import Testing

/// n-gram models as predictors, against the model itself.
@Suite struct NGramPredictorTests {
    /// 9 words, the end of a line (9) and `<unk>` (10).
    private static let text = MarkovSource(tokens: 11, seed: 5).sample(700, seed: 1)
    private static let words = WordSet(vocabularySize: 11, lineEnd: 9, unknown: 10)
    private let model: NGramModel
    private let other = MarkovSource(tokens: 11, seed: 5).sample(301, seed: 2)

    init() throws {
        model = try KneserNey(NGramCounts(TokenStore(Self.text), order: 3, wordSet: Self.words, communicator: SingleRank())).model
    }

    /// Nats of each word of a text that begins at the start of a line.
    private func nats(_ words: [Int32]) -> [Double] {
        var (context, next) = (model.start, model.start)
        return words.map {
            let p = model.logProbability(of: $0, after: context, next: &next)
            swap(&context, &next)
            return -Double(p) * log(10)
        }
    }

    @Test func evaluationIsTheSumOfItsLosses() throws {
        let expected = nats(other).dropFirst().reduce(0, +)
        let one = try Evaluator(NGramPredictor(model), tokens: TokenStore(other), streams: 1, communicator: SingleRank()).run()
        #expect(abs(one.total - expected) < 1e-9 * expected && one.tokens == 300)
        for streams in [1, 5, 150] {
            @Sendable func evaluate(_ communicator: any Communicator) throws -> Evaluation {
                try Evaluator(
                    NGramPredictor(model), tokens: TokenStore(other), streams: streams, unknown: 10, communicator: communicator
                ).run()
            }
            let alone = try evaluate(SingleRank())
            #expect(alone.unknownTokens == other.dropFirst().count { $0 == 10 })
            for ranks in [2, 3] { #expect(try withThreadRanks(ranks, evaluate).allSatisfy { $0 == alone }) }
        }
    }

    @Test func linesAreScoredFromTheirStart() throws {
        let lines: [[Int32]] = [[1, 2, 3, 9], [9], [], other.map { $0 == 9 ? 8 : $0 } + [9], [10, 10, 9]]
        let scorer = try Scorer(NGramPredictor(model), start: 9, carriesState: false)
        for (line, score) in zip(lines, try scorer.score(lines, keepingParts: true)) {
            #expect(zip(score.parts, nats(line)).allSatisfy { abs($0 + $1) < 1e-12 } && score.parts.count == line.count)
        }
    }

    /// What comes next, after reading in chunks of 64, one by one, and after scoring.
    @Test func candidatesAreTheDistribution() throws {
        let candidates = try Predictor(NGramPredictor(model)).candidates(after: [9] + other) { _ in true }
        let total = nats(other).reduce(0, +)
        for candidate in candidates {
            let scored = nats(other + [Int32(candidate.token)]).reduce(0, +) - total
            #expect(abs(exp(-scored) - candidate.probability) < 1e-5)
        }
        let generator = try Generator(NGramPredictor(model), options: SamplingOptions(temperature: 0), seed: 1)
        try generator.run(prompt: [9] + other, length: 1, excluded: nil) {
            #expect(Int($0) == candidates[0].token)
            return false
        }
        let predictor = NGramPredictor(model)
        predictor.reset(streams: 1)
        for (token, target) in zip(other, other.dropFirst()) {
            predictor.read([token], steps: 1)
            predictor.losses(of: [target]) { _, _ in }
        }
        predictor.read([other.last!], steps: 1)
        let logits = predictor.logits(ofStream: 0)
        for candidate in candidates { #expect(abs(exp(Double(logits[candidate.token])) - candidate.probability) < 1e-5) }
    }

    /// A saved model is the model, mapped from its file; damage to any of its files is noticed.
    @Test func aCheckpointHoldsIt() throws {
        let folder = NSTemporaryDirectory() + "lockstep-ngram-\(UUID().uuidString)"
        try Folder.create(folder)
        defer { try? Folder.remove(folder) }
        try File.publish("{}", at: "\(folder)/vocabulary.json")
        let estimate = try KneserNey(NGramCounts(TokenStore(Self.text), order: 3, wordSet: Self.words, communicator: SingleRank()))
        let manifest = Manifest(
            programVersion: "test", kind: Manifest.ngram, model: ModelSummary(ngramOrder: 3, vocabularySize: 11), configuration: "", step: 1,
            epoch: 1, offset: 0, tokens: 700, seed: 0, schedule: [:], validationLoss: nil, best: nil, datasetFiles: [:], vocabularyHash: "",
            ranks: 1)
        let store = CheckpointStore(runFolder: folder, keep: 1) { _ in }
        let saved = try store.save(
            CheckpointContent(
                manifest: manifest, model: NGramFile.tensors(model), state: NGramFile.state(estimate), vocabularyPath: "\(folder)/vocabulary.json"
            ) { [model] write in
                try ARPAWriter.write(model, spelling: { Array("\($0)".utf8) }, to: write)
            })
        let checkpoint = try #require(try store.latest())
        #expect(checkpoint.manifest.kind == "ngram" && checkpoint.manifest.model.order == 3)
        let opened = try #require(try ModelFormat.open(checkpoint) as? NGramPredictor).model
        #expect(opened.wordSet == model.wordSet)
        let (a, b) = (try levels(opened), try levels(model))
        #expect(a == b)
        #expect(try levels(ARPAFile("\(saved)/model.arpa").model) == b)
        let bytes = try File.contents(of: "\(saved)/model.arpa")
        try File.publish(String(decoding: bytes.dropLast(), as: UTF8.self), at: "\(saved)/model.arpa")
        let error = #expect(throws: CheckpointError.self) { try LoadedCheckpoint(folder: saved) }
        #expect("\(error!)".contains("model.arpa"))
    }

    private func levels(_ model: NGramModel) throws -> [[[UInt32]]] {
        model.levels.map {
            [
                $0.words.elements.map { UInt32(bitPattern: $0) }, $0.children.elements.map { UInt32(bitPattern: $0) },
                $0.logProbabilities.elements.map(\.bitPattern), $0.backoffs.elements.map(\.bitPattern),
            ]
        }
    }
}
