// Dimensions, throughout this module:
//   order  the longest n-grams      n  the length of an n-gram, 1 to order      level n  all n-grams of that length
// Log probabilities and back-off weights are logarithms to base 10, as in ARPA files.

/// The words of an n-gram model by number: those of a vocabulary, and after them what the vocabulary lacks of the start of a
/// line (`<s>`, which nothing predicts), its end (`</s>`) and words that were never seen (`<unk>`).
package struct WordSet: Sendable, Equatable {
    /// Words of the vocabulary, V.
    package let vocabularySize: Int
    /// All of them.
    package let count: Int
    /// `<s>`; nil in a foreign model without it.
    package let begin: Int32?
    /// `</s>`: the vocabulary's own end of a line, if it has one.
    package let end: Int32
    /// `<unk>`: the vocabulary's own, if it has one.
    package let unknown: Int32

    /// - Parameters:
    ///   - lineEnd: the token that ends a line; nil if the vocabulary has none.
    ///   - unknown: the token `<unk>`; nil if the vocabulary has none.
    package init(vocabularySize: Int, lineEnd: Int32?, unknown: Int32?) {
        var count = Int32(vocabularySize)
        func next() -> Int32 {
            defer { count += 1 }
            return count
        }
        self.vocabularySize = vocabularySize
        begin = next()
        end = lineEnd ?? next()
        self.unknown = unknown ?? next()
        self.count = Int(count)
    }

    /// Of a model that was read: nil if the numbers contradict each other.
    package init?(vocabularySize: Int, count: Int, begin: Int32?, end: Int32, unknown: Int32) {
        let words = 0..<Int32(clamping: count)
        guard (1...count).contains(vocabularySize), count <= Int(Int32.max), words.contains(end), words.contains(unknown), end != unknown,
            begin.map({ words.contains($0) && Int($0) >= vocabularySize && $0 != end && $0 != unknown }) ?? true
        else { return nil }
        self.vocabularySize = vocabularySize
        self.count = count
        self.begin = begin
        self.end = end
        self.unknown = unknown
    }
}
