import Corpus
import Diagnostics

extension Vocabulary {
    /// The token that ends a line: `<eos>` or a newline; nil in a vocabulary without lines.
    var lineEnd: Int32? {
        if let endOfSentence { return Int32(endOfSentence) }
        guard !level.isSpaced, let id = try? encode([UInt8(ascii: "\n")]).first else { return nil }
        return unknown == Int(id) ? nil : id
    }

    /// The token after which a line begins: the one that ends a line, else the most frequent one.
    var lineStart: Int32 { lineEnd ?? Int32(occurrences.firstIndex(of: occurrences.max()!)!) }

    /// - Parameter place: where the prompt came from, as in "line 3".
    /// - Throws: `UnknownInPrompt` for a character that the vocabulary lacks.
    func encode(prompt: String, from place: String = "--prompt") throws -> [Int32] {
        let ids: [Int32]
        do {
            ids = try encode(Array(prompt.utf8), completingLastLine: false)
        } catch TextError.notInVocabulary(let symbol, _, let offset) {
            let before = String(decoding: prompt.utf8.prefix(offset), as: UTF8.self)
            throw UnknownInPrompt(symbol: symbol, prompt: place, character: before.unicodeScalars.count + 1)
        }
        // At character and byte level `<unk>` in a prompt would be a riddle; for words and pieces it is the usual meaning.
        if !level.isSpaced, let unknown, let index = ids.firstIndex(of: Int32(unknown)) {
            let symbol = Array(prompt.unicodeScalars)[min(index, prompt.unicodeScalars.count - 1)]
            throw UnknownInPrompt(symbol: "'\(symbol)'", prompt: place, character: index + 1)
        }
        return ids
    }
}

struct UnknownInPrompt: DiagnosedError {
    let symbol: String
    let prompt: String
    /// From 1.
    let character: Int

    var kind: FailureKind { .usage }
    var diagnosis: Diagnosis {
        Diagnosis(
            "\(symbol) is not in the model's vocabulary", location: "\(prompt), character \(character)",
            remedy: "leave it out, or see the vocabulary in the checkpoint's vocabulary.json")
    }
}
