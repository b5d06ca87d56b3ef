import Corpus
import Diagnostics
import Inference
import Kernels
import Reporting

/// What `inspect --nearest` and `--analogies` find out about a model's word vectors.
struct VectorInspection: Encodable {
    struct Nearest: Encodable {
        struct Neighbour: Encodable {
            let token: String
            let cosine: Float
        }

        let query: String
        let neighbours: [Neighbour]
    }

    let kind = "vectors"
    let path: String
    let vocabularySize: Int
    /// E.
    let width: Int
    let nearest: [Nearest]
    let analogies: [AnalogyScore]?

    /// - Parameters:
    ///   - queries: as in "king" and "king - man + woman".
    ///   - count: neighbours of each.
    ///   - analogies: a file of questions.
    /// - Throws: `UsageError` for a model without vectors and for a word that it does not know; as `AnalogyQuestions`.
    init(_ options: ModelOptions, queries: [String], count: Int, analogies: String?) throws {
        let questions = try analogies.map(AnalogyQuestions.init(contentsOf:))
        let model = try OpenedModel(options)
        let vocabulary = model.vocabulary
        let embedding = try model.embedding()
        let vectors = WordVectors(embedding)
        let asked = try queries.map { try VectorInspection.query($0, vocabulary, model.path) }
        nearest = try zip(queries, vectors.nearest(to: asked, count: count)).map { query, neighbours in
            Nearest(query: query, neighbours: neighbours.map { .init(token: vocabulary.symbol($0.token), cosine: $0.cosine) })
        }
        self.analogies = try questions?.answers(of: vectors) { word in
            vocabulary.id(spelled: word) ?? vocabulary.id(spelled: word.lowercased())
        }
        path = model.path.legible
        (vocabularySize, width) = (vocabulary.count, embedding.columns)
    }

    /// Words with " + " or " - " between them.
    private static func query(_ text: String, _ vocabulary: Vocabulary, _ model: String) throws -> WordVectors.Query {
        var terms: [(token: Int, sign: Float)] = []
        var sign: Float? = 1
        for word in text.split(separator: " ").map(String.init) {
            guard let current = sign else {
                guard word == "+" || word == "-" else {
                    throw UsageError(
                        "two words without a sign between them", location: "--nearest '\(text)'", expected: "+ or -", found: "'\(word)'",
                        remedy: "write for example 'king - man + woman'")
                }
                sign = word == "+" ? 1 : -1
                continue
            }
            guard let token = vocabulary.id(spelled: word) else {
                throw UsageError(
                    "the model's vocabulary has no such token", location: "--nearest '\(text)'", found: "'\(word)'",
                    remedy: "give a token as the vocabulary of \(model) spells it")
            }
            terms.append((token, current))
            sign = nil
        }
        guard sign == nil else {
            throw UsageError(
                "a word is missing at the end", location: "--nearest '\(text)'", remedy: "write for example 'king - man + woman'")
        }
        return WordVectors.Query(terms)
    }

    // MARK: Text

    var text: String {
        var parts = ["Word vectors of \(path)\n\n\(Formatting.count(vocabularySize)) tokens, \(width) values each (encoder.weight)"]
        parts += nearest.map { nearest in
            let rows = nearest.neighbours.map { [$0.token.printable, Formatting.fixed(Double($0.cosine), decimals: 4)] }
            return "closest to \(nearest.query.printable)\n" + table([["token", "cosine"]] + rows, textColumns: [0])
        }
        if let analogies { parts.append(VectorInspection.text(analogies, vocabularySize)) }
        return parts.joined(separator: "\n\n")
    }

    private static func text(_ scores: [AnalogyScore], _ vocabularySize: Int) -> String {
        func share(_ part: Int, _ whole: Int) -> String {
            whole == 0 ? "-" : "\(Formatting.fixed(100 * Double(part) / Double(whole), decimals: 1)) %"
        }
        let total = AnalogyScore.total(scores)
        let rows = (scores + [total]).map { score in
            [
                score.name.printable, Formatting.count(score.questions), Formatting.count(score.covered), Formatting.count(score.correct),
                share(score.correct, score.covered),
            ]
        }
        return """
            analogies
            \(table([["section", "questions", "covered", "correct", "of covered"]] + rows, textColumns: [0]))

            \(share(total.covered, total.questions)) of the questions are covered: the vocabulary has all four words, as spelled or in lower case. Published
            accuracies are of vectors from hundreds of millions of words; those of a small corpus answer few questions.
            """
    }
}

extension OpenedModel {
    /// `encoder.weight` [V, E]; valid as long as the model.
    /// - Throws: `UsageError` for a model that has none.
    func embedding() throws -> Matrix {
        guard let network = predictor as? RecurrentPredictor else {
            throw UsageError(
                "an n-gram model has no word vectors", location: path, remedy: "give a run whose model.cell is a recurrent cell or window")
        }
        guard network.configuration.values == nil else {
            throw UsageError("a model that reads numbers has no word vectors", location: path, remedy: "give a run on a text")
        }
        return network.parameters.matrix("encoder.weight")
    }
}
