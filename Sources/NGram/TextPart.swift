import Collectives
import Corpus

/// What one rank counts of a text: the n-grams that end at its own places. It also reads the places before them that the
/// first ones begin at.
struct TextPart {
    /// Ids, those before the own places first.
    let words: [Int32]
    private let startsLine: [Bool]
    /// Where the own places begin.
    private let first: Int
    private let order: Int
    private let wordSet: WordSet

    init(_ text: TokenStore, own: Range<Int>, order: Int, wordSet: WordSet) {
        let start = max(0, own.lowerBound - order)
        let all = text.tokens(in: start..<own.upperBound)
        words = all
        first = own.lowerBound - start
        self.order = order
        self.wordSet = wordSet
        startsLine = all.indices.map { $0 == 0 ? start == 0 : all[$0 - 1] == wordSet.end }
    }

    /// Collective. How often each word occurs in all parts, by number; 0 for `<s>`.
    func countWords(_ communicator: any Communicator) throws -> [Int] {
        var counts = [Double](repeating: 0, count: wordSet.count)
        for word in words[first...] { counts[Int(word)] += 1 }
        // Exact below 2^53.
        try counts.withUnsafeMutableBufferPointer { try communicator.sum($0) }
        return counts.map { Int($0) }
    }

    /// Collective. Counts the n-grams of one length in all parts.
    /// - Parameters:
    ///   - level: n, at least 2.
    ///   - ending: for each place the n-gram of level n - 1 that ends there, -1 for none; replaced by those of level n.
    ///   - parents: how many n-grams level n - 1 has.
    /// - Returns: the level, and where the children of each parent are.
    /// - Throws: `TooManyNGrams`, transport errors.
    func count(
        level: Int, after ending: inout [Int32], parents: Int, _ communicator: any Communicator
    ) throws -> (level: NGramCounts.Level, children: [Int32]) {
        let wordBits = wordSet.count.bitsBelow
        var items: [SortItem] = []
        items.reserveCapacity(words.count)
        for place in words.indices {
            let parent: Int32
            if startsLine[place] {
                parent = level == 2 ? wordSet.begin ?? -1 : -1
            } else {
                parent = place == 0 ? -1 : ending[place - 1]
            }
            guard parent >= 0 else { continue }
            items.append(SortItem(key: UInt64(parent) << UInt64(wordBits) | UInt64(words[place]), value: UInt32(place)))
        }
        items.radixSort(bits: parents.bitsBelow + wordBits)

        var own = CountedKeys()
        for item in items { own.add(item.key, count: Int(item.value) < first ? 0 : 1) }
        let all = try own.sum(over: communicator)
        guard all.keys.count < Int(Int32.max) else { throw TooManyNGrams(level: level, found: all.keys.count) }

        // Both lists are in order, and every key of the own one is in the other.
        ending = [Int32](repeating: -1, count: words.count)
        var number = 0
        for item in items {
            while all.keys[number] != item.key { number += 1 }
            ending[Int(item.value)] = Int32(number)
        }
        return (
            NGramCounts.Level(words: all.keys.map { Int32($0 & (1 << UInt64(wordBits) - 1)) }, counts: all.counts),
            NGramCounts.children(of: parents, all.keys.lazy.map { Int($0 >> UInt64(wordBits)) })
        )
    }
}

extension NGramCounts {
    /// Where the children of each of `count` parents begin, and the end of the last.
    /// - Parameter parents: the parent of each child, in order.
    static func children(of count: Int, _ parents: some Sequence<Int>) -> [Int32] {
        var children = [Int32](repeating: 0, count: count + 1)
        for parent in parents { children[parent + 1] += 1 }
        for parent in 0..<count { children[parent + 1] += children[parent] }
        return children
    }
}
