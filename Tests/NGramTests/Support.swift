import Collectives
import Corpus
import Files
import Foundation
import NGram
import TestSupport

/// A text of words that are letters: a is 0, b is 1, ...; then the end of a line and `<unk>`.
struct LetterText {
    let letters: Int
    let ids: [Int32]

    var end: Int32 { Int32(letters) }
    var unknown: Int32 { Int32(letters + 1) }
    var wordSet: WordSet { WordSet(vocabularySize: letters + 2, lineEnd: end, unknown: unknown) }

    init(_ lines: [String], letters: Int) {
        self.letters = letters
        ids = lines.flatMap { $0.split(separator: " ").map { Int32($0.utf8.first! - UInt8(ascii: "a")) } + [Int32(letters)] }
    }

    /// Text of a Markov chain in lines of various lengths, some empty.
    init(letters: Int, tokens: Int, seed: UInt64) {
        self.letters = letters
        // Two states of the chain end a line.
        let states = MarkovSource(tokens: letters + 2, seed: seed).sample(tokens, seed: seed + 1)
        ids = states.map { min($0, Int32(letters)) } + [Int32(letters)]
    }

    func word(_ id: Int32) -> String { id == end ? "</s>" : id == unknown ? "<unk>" : String(UnicodeScalar(UInt8(ascii: "a") + UInt8(id))) }

    var lines: [[String]] { ids.split(separator: end, omittingEmptySubsequences: false).dropLast().map { $0.map(word) } }

    func counts(order: Int, _ communicator: any Communicator = SingleRank()) throws -> NGramCounts {
        try NGramCounts(TokenStore(ids), order: order, wordSet: wordSet, communicator: communicator)
    }

    /// The ARPA file of the text's model.
    func arpa(order: Int) throws -> String { try ngram(try KneserNey(counts(order: order)).model) { Array(word(Int32($0)).utf8) } }
}

/// A model as an ARPA file.
func ngram(_ model: NGramModel, spelling: (Int) -> [UInt8]) throws -> String {
    var bytes: [UInt8] = []
    try ARPAWriter.write(model, spelling: spelling) { bytes += $0 }
    return String(decoding: bytes, as: UTF8.self)
}

func read(_ text: String, as name: String = "model.arpa") throws -> ARPAFile { try read(Array(text.utf8), as: name) }

func read(_ bytes: [UInt8], as name: String = "model.arpa") throws -> ARPAFile {
    let folder = NSTemporaryDirectory() + "lockstep-ngram-\(UUID().uuidString)"
    try Folder.create(folder)
    defer { try? Folder.remove(folder) }
    let path = "\(folder)/\(name)"
    let file = try File.open(path, .createNew)
    try bytes.withUnsafeBytes { try file.write($0) }
    try file.close()
    return try ARPAFile(path)
}

extension NGramModel {
    /// log10 p of each word of a text that begins at the start of a line.
    func logProbabilities(of words: [Int32]) -> [Float] {
        var (context, next) = (start, start)
        return words.map {
            let p = logProbability(of: $0, after: context, next: &next)
            swap(&context, &next)
            return p
        }
    }
}
