import Corpus
import Diagnostics

extension Vocabulary {
    /// The token that ends a line: `<eos>` or a newline; nil if the vocabulary has neither.
    var lineEnd: Int32? {
        if let endOfSentence { return Int32(endOfSentence) }
        guard !level.isSpaced, let id = try? encode([UInt8(ascii: "\n")]).first else { return nil }
        return unknown == Int(id) ? nil : id
    }

    /// The token after which a line starts: the one that ends a line, else the most frequent one.
    var lineStart: Int32 { lineEnd ?? Int32(occurrences.firstIndex(of: occurrences.max()!)!) }

    /// - Parameters:
    ///   - prompt: of any bytes at byte level, else UTF-8.
    ///   - place: where the prompt came from, as in "line 3".
    /// - Throws: `UnknownInPrompt` for a character that the vocabulary lacks; `UsageError` for what is not UTF-8.
    func encode(prompt: [UInt8], from place: String) throws -> [Int32] {
        let ids: [Int32]
        do {
            ids = try encode(prompt, completingLastLine: false)
        } catch TextError.notInVocabulary(let symbol, _, let offset) {
            let before = String(decoding: prompt.prefix(offset), as: UTF8.self).unicodeScalars.count
            throw UnknownInPrompt(symbol: symbol, prompt: place, number: (level == .byte ? offset : before) + 1, level: level)
        } catch TextError.invalidUTF8(_, let offset) {
            throw UsageError("not UTF-8 text", location: "\(place), byte \(offset)", remedy: "only models of bytes read other bytes")
        }
        // At character and byte level, `<unk>` in a prompt would be meaningless; for words and pieces, it is usual.
        if !level.isSpaced, let unknown, let index = ids.firstIndex(of: Int32(unknown)) {
            let symbol =
                level == .byte
                ? "byte 0x" + String(prompt[index], radix: 16, uppercase: true)
                : "'\(Array(String(decoding: prompt, as: UTF8.self).unicodeScalars)[index])'"
            throw UnknownInPrompt(symbol: symbol, prompt: place, number: index + 1, level: level)
        }
        return ids
    }
}

struct UnknownInPrompt: DiagnosedError {
    let symbol: String
    let prompt: String
    /// The position of the character or byte, counted from 1.
    let number: Int
    let level: TokenLevel

    var kind: FailureKind { .usage }
    var diagnosis: Diagnosis {
        Diagnosis(
            "\(symbol) is not in the model's vocabulary", location: "\(prompt), \(level == .byte ? "byte" : "character") \(number)",
            remedy: "leave it out, or see the vocabulary in the checkpoint's vocabulary.json")
    }
}
