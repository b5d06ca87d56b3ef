/// An n-gram tree that grows level by level, from n-grams in any order.
struct GramTree {
    private struct Level {
        var words: [Int32] = []
        var probabilities: [Float]
        var backoffs: [Float]
        var children: [Int32] = []
    }

    /// Bits of a word's number.
    private let wordBits: Int
    private var levels: [Level]

    /// - Parameters: numbers of the words' 1-grams, in the order of the words.
    init(probabilities: [Float], backoffs: [Float]) {
        wordBits = probabilities.count.bitsBelow
        levels = [Level(probabilities: probabilities, backoffs: backoffs)]
    }

    /// The n-gram in the tree that consists of `words`; nil if there is none.
    func find(_ words: some Collection<Int32>) -> Int? {
        guard var gram = words.first.map({ Int($0) }) else { return nil }
        for (index, word) in words.dropFirst().enumerated() {
            guard index + 1 < levels.count else { return nil }
            let candidates = levels[index + 1].words
            var (low, high) = (Int(levels[index].children[gram]), Int(levels[index].children[gram + 1]))
            let end = high
            while low < high {
                let middle = (low + high) / 2
                if candidates[middle] < word { low = middle + 1 } else { high = middle }
            }
            guard low < end, candidates[low] == word else { return nil }
            gram = low
        }
        return gram
    }

    /// n-grams one word longer than the longest in the tree.
    struct Next {
        fileprivate var items: [SortItem] = []
        fileprivate var probabilities: [Float] = []
        fileprivate var backoffs: [Float] = []

        var count: Int { items.count }
    }

    /// - Parameter context: the number of the n-gram without its last word.
    func add(_ word: Int32, after context: Int, probability: Float, backoff: Float, to next: inout Next) {
        next.items.append(SortItem(key: UInt64(context) << UInt64(wordBits) | UInt64(word), value: UInt32(next.count)))
        next.probabilities.append(probability)
        next.backoffs.append(backoff)
    }

    /// Makes `next` the highest level.
    /// - Returns: two places in `next` with the same n-gram, if there are such; nothing has changed then.
    mutating func grow(_ next: Next) -> (first: Int, second: Int)? {
        let parents = levels[levels.count - 1].probabilities.count
        var items = next.items
        items.radixSort(bits: parents.bitsBelow + wordBits)
        for (item, after) in zip(items, items.dropFirst()) where item.key == after.key { return (Int(item.value), Int(after.value)) }
        let bits = UInt64(wordBits)
        levels[levels.count - 1].children = NGramCounts.children(of: parents, items.lazy.map { Int($0.key >> bits) })
        levels.append(
            Level(
                words: items.map { Int32($0.key & (1 << bits - 1)) },
                probabilities: items.map { next.probabilities[Int($0.value)] }, backoffs: items.map { next.backoffs[Int($0.value)] }))
        return nil
    }

    /// - Throws: `NGramModelError`.
    func model(_ wordSet: WordSet) throws -> NGramModel {
        try NGramModel(
            wordSet,
            levels: levels.enumerated().map { index, level in
                NGramModel.Level(
                    words: Column(level.words), logProbabilities: Column(level.probabilities),
                    backoffs: Column(index + 1 < levels.count ? level.backoffs : []), children: Column(level.children))
            })
    }
}
