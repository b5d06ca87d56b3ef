extension NGramCounts {
    /// For each level, the number in the level below of each n-gram without its first word; empty at level 1.
    func suffixes() -> [[Int32]] {
        var suffixes: [[Int32]] = [[]]
        for index in stride(from: 1, to: order, by: 1) {
            if index == 1 {
                suffixes.append(levels[1].words)
                continue
            }
            let words = levels[index].words
            let parents = levels[index - 1]
            let (below, candidates) = (levels[index - 2].children, levels[index - 1].words)
            var found = [Int32](repeating: 0, count: words.count)
            for parent in parents.counts.indices {
                let suffix = Int(suffixes[index - 1][parent])
                // Both lists are in order, so each search begins where the last one ended.
                let end = Int(below[suffix + 1])
                var low = Int(below[suffix])
                for child in Int(parents.children[parent])..<Int(parents.children[parent + 1]) {
                    var high = end
                    while low < high {
                        let middle = (low + high) / 2
                        if candidates[middle] < words[child] { low = middle + 1 } else { high = middle }
                    }
                    found[child] = Int32(low)
                }
            }
            suffixes.append(found)
        }
        return suffixes
    }

    /// The counts that probabilities are estimated from: occurrences at the highest level and of n-grams that begin a line; else
    /// the number of different words before the n-gram (Kneser and Ney 1995). `<unk>` and `<s>` count as never seen.
    func adjusted(_ suffixes: [[Int32]]) -> [[Int]] {
        var adjusted = levels.map { [Int](repeating: 0, count: $0.counts.count) }
        adjusted[order - 1] = levels[order - 1].counts
        // The n-grams that begin with <s> are side by side.
        var starts = wordSet.begin.map { Int($0)..<Int($0) + 1 } ?? 0..<0
        for index in 0..<order - 1 {
            for suffix in suffixes[index + 1] { adjusted[index][Int(suffix)] += 1 }
            for gram in starts { adjusted[index][gram] = levels[index].counts[gram] }
            starts = starts.isEmpty ? starts : Int(levels[index].children[starts.lowerBound])..<Int(levels[index].children[starts.upperBound])
        }
        adjusted[0][Int(wordSet.unknown)] = 0
        if let begin = wordSet.begin { adjusted[0][Int(begin)] = 0 }
        return adjusted
    }
}
