extension NGramCounts {
    /// Bytes that counting and estimating take at most, as if every n-gram of the text occurred once.
    /// - Parameter ranks: those that count together; a rank's part of the text is divided by it.
    package static func memory(tokens: Int, order: Int, ranks: Int) -> Int {
        // Words, n-grams that end there, and two lists of items to sort; then keys and counts of a level, twice.
        let counting = 1 + 4 + 4 + 2 * MemoryLayout<SortItem>.stride
        let merging = 2 * (8 + 8)
        // Of each n-gram: word, count, child; suffix, adjusted count, two logarithms. Of two levels: a probability.
        let tree = (4 + 8 + 4) + (4 + 8 + 4 + 4)
        let bytes = Double(tokens) * (Double(counting) / Double(ranks) + Double(merging + 2 * 8 + tree * order))
        return Int(min(bytes, 0x1p62))
    }
}
