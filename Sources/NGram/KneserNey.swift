import Elementary

/// Interpolated modified Kneser-Ney (Chen and Goodman 1998, section 4.1.6), with the counts of KenLM (Heafield et al. 2013).
/// docs/mathematics.md (45) to (49).
package struct KneserNey {
    package let model: NGramModel
    /// Of each level.
    package let discounts: [Discounts]

    /// - Throws: `NGramModelError`, if a sum were not a probability.
    package init(_ counts: NGramCounts) throws {
        let wordSet = counts.wordSet
        let suffixes = counts.suffixes()
        let adjusted = counts.adjusted(suffixes)
        discounts = adjusted.map { Discounts($0) }

        /// Of each n-gram of the level before.
        var lower: [Double] = []
        var levels: [NGramModel.Level] = []
        for index in counts.levels.indices {
            let (probabilities, weights) =
                index == 0
                ? KneserNey.unigrams(adjusted[0], wordSet, discounts[0])
                : KneserNey.interpolate(
                    adjusted[index], children: counts.levels[index - 1].children, suffixes: suffixes[index], lower: lower, discounts[index])
            if index > 0 { levels[index - 1] = levels[index - 1].with(backoffs: weights.map(KneserNey.logarithm)) }
            levels.append(
                NGramModel.Level(
                    words: Column(counts.levels[index].words), logProbabilities: Column(probabilities.map(KneserNey.logarithm)),
                    backoffs: Column([]), children: Column(counts.levels[index].children)))
            lower = probabilities
        }
        model = try NGramModel(wordSet, levels: levels)
    }

    /// Level 1: what the discounts leave is shared equally by all words but `<s>`, those that were never counted included.
    private static func unigrams(_ counts: [Int], _ wordSet: WordSet, _ discounts: Discounts) -> ([Double], [Double]) {
        let total = Double(counts.reduce(0, +))
        let words = wordSet.count - (wordSet.begin == nil ? 0 : 1)
        let weight = total == 0 ? 1 : KneserNey.weight(counts[...], total: total, discounts)
        var probabilities = counts.map { count in
            (count == 0 ? 0 : (Double(count) - discounts.discount(count)) / total) + weight / Double(words)
        }
        // Nothing predicts it. An ARPA file has to say something.
        if let begin = wordSet.begin { probabilities[Int(begin)] = 1 }
        return (probabilities, [])
    }

    /// A level above: each n-gram's discounted share of its context's count, and the context's weight times the probability
    /// without the first word.
    /// - Returns: the probabilities of this level, and the weights of the contexts, which are the n-grams of the level below.
    private static func interpolate(
        _ counts: [Int], children: [Int32], suffixes: [Int32], lower: [Double], _ discounts: Discounts
    ) -> ([Double], [Double]) {
        var probabilities = [Double](repeating: 0, count: counts.count)
        // A context that nothing follows is never backed off from.
        var weights = [Double](repeating: 1, count: children.count - 1)
        for context in weights.indices {
            let own = Int(children[context])..<Int(children[context + 1])
            if own.isEmpty { continue }
            var total = 0
            for gram in own { total += counts[gram] }
            let weight = KneserNey.weight(counts[own], total: Double(total), discounts)
            for gram in own {
                let discounted = (Double(counts[gram]) - discounts.discount(counts[gram])) / Double(total)
                probabilities[gram] = discounted + weight * lower[Int(suffixes[gram])]
            }
            weights[context] = weight
        }
        return (probabilities, weights)
    }

    /// What the discounts take from n-grams with these counts, as a share of their sum.
    private static func weight(_ counts: ArraySlice<Int>, total: Double, _ discounts: Discounts) -> Double {
        var (one, two, more) = (0, 0, 0)
        for count in counts where count > 0 {
            one += count == 1 ? 1 : 0
            two += count == 2 ? 1 : 0
            more += count > 2 ? 1 : 0
        }
        let values = discounts.values
        return (values[0] * Double(one) + values[1] * Double(two) + values[2] * Double(more)) / total
    }

    /// log10, in single precision; of 0, what ARPA files have for it. Rounding carries no sum beyond 1.
    private static func logarithm(_ x: Double) -> Float {
        x > 0 ? Float(min(0, Elementary.logarithm(x) / 2.302585092994046)) : -99
    }
}

extension NGramModel.Level {
    fileprivate func with(backoffs: [Float]) -> NGramModel.Level {
        NGramModel.Level(words: words, logProbabilities: logProbabilities, backoffs: Column(backoffs), children: children)
    }
}
