import Foundation

/// Interpolated modified Kneser-Ney in double precision, written down from the formulas with dictionaries of words: slow, and
/// with nothing in common with what it checks.
struct Oracle {
    typealias Gram = [String]

    /// p of every n-gram, by n-gram.
    private(set) var probabilities: [Gram: Double] = [:]
    /// The weight of every context that something follows.
    private(set) var weights: [Gram: Double] = [:]
    private(set) var discounts: [[Double]] = []

    init(_ lines: [[String]], order: Int, vocabulary: [String]) {
        // How often each n-gram of each length occurs; <s> is at the start only.
        var occurrences: [Gram: Int] = [:]
        for line in lines {
            let words = ["<s>"] + line + ["</s>"]
            for end in words.indices {
                for length in 1...order where length <= end + 1 { occurrences[Array(words[(end - length + 1)...end]), default: 0] += 1 }
            }
        }
        var before: [Gram: Set<String>] = [:]
        for gram in occurrences.keys where gram.count > 1 { before[Array(gram.dropFirst()), default: []].insert(gram[0]) }
        func count(_ gram: Gram) -> Int {
            if gram == ["<s>"] || gram == ["<unk>"] { return 0 }
            return gram.count == order || gram[0] == "<s>" ? occurrences[gram] ?? 0 : before[gram]?.count ?? 0
        }
        let words = vocabulary + ["</s>", "<unk>"]
        for n in 1...order {
            let grams = n == 1 ? words.map { [$0] } : occurrences.keys.filter { $0.count == n }
            let t = (0...4).map { k in Double(grams.count { count($0) == k }) }
            let y = t[1] / (t[1] + 2 * t[2])
            var d = [0] + (1...3).map { j in Double(j) - Double(j + 1) * y * t[j == 3 ? 4 : j + 1] / t[j] }
            if t[1] == 0 || t[2] == 0 || t[3] == 0 || !(1...3).allSatisfy({ d[$0] >= 0 && d[$0] <= Double($0) }) { d = [0, 0.5, 1, 1.5] }
            discounts.append(Array(d[1...]))
            let contexts = Dictionary(grouping: grams) { Array($0.dropLast()) }
            for (context, followers) in contexts {
                let total = Double(followers.reduce(0) { $0 + count($1) })
                weights[context] = followers.reduce(0.0) { $0 + d[min(count($1), 3)] } / total
            }
            for gram in grams {
                let context = Array(gram.dropLast())
                let total = Double(contexts[context]!.reduce(0) { $0 + count($1) })
                let lower = n == 1 ? 1 / Double(words.count) : probabilities[Array(gram.dropFirst())]!
                probabilities[gram] = (Double(count(gram)) - d[min(count(gram), 3)]) / total + weights[context]! * lower
            }
        }
    }

    /// p(word | context), by backing off.
    func probability(of word: String, after context: Gram) -> Double {
        if let p = probabilities[context + [word]] { return p }
        return (weights[context] ?? 1) * probability(of: word, after: Array(context.dropFirst()))
    }
}
