import Collectives
import Corpus
import Diagnostics

/// The distinct n-grams of a text up to a length, as a tree (`NGramModel` says how), and how often each occurs.
///
/// A line is `<s>`, its words and `</s>`; no n-gram reaches beyond a line, and none has more than one `<s>`.
package struct NGramCounts: Sendable, Equatable {
    package struct Level: Sendable, Equatable {
        /// Last words, [N]; empty at level 1.
        package var words: [Int32] = []
        /// Occurrences, [N].
        package var counts: [Int]
        /// Children of n-gram i: `children[i]..<children[i + 1]`, [N + 1]; empty at the highest level.
        package var children: [Int32] = []
    }

    package let wordSet: WordSet
    package private(set) var levels: [Level]
    package var order: Int { levels.count }

    /// Collective. Each rank counts the n-grams that end in its part of the text, level by level; the counts of all ranks are
    /// added up, and each rank has the sums. They are integers, so the number of ranks does not matter.
    ///
    /// An n-gram is numbered by its place in the tree, hence known by the number of the one without its last word, and that word:
    /// a level is one sort of such pairs.
    /// - Parameters:
    ///   - text: the ids of the vocabulary; a line ends with `wordSet.end`.
    ///   - check: called between levels on every rank; what it throws, it must throw on all.
    /// - Throws: `TooManyNGrams`, transport errors, and what `check` throws.
    package init(
        _ text: TokenStore, order: Int, wordSet: WordSet, communicator: any Communicator, check: (_ level: Int) throws -> Void = { _ in }
    ) throws {
        precondition(order >= 1)
        self.wordSet = wordSet
        let (rank, ranks) = (communicator.rank, communicator.size)
        let part = TextPart(text, own: text.count * rank / ranks..<text.count * (rank + 1) / ranks, order: order, wordSet: wordSet)
        try check(1)
        levels = [Level(counts: try part.countWords(communicator))]
        /// For each place of the part, the n-gram of the level before that ends there; -1 for none.
        var ending = part.words
        for level in stride(from: 2, through: order, by: 1) {
            try check(level)
            let (grams, found) = try part.count(level: level, after: &ending, parents: levels[level - 2].counts.count, communicator)
            levels[level - 2].children = found
            levels.append(grams)
        }
    }
}

/// More n-grams than numbers for them.
package struct TooManyNGrams: DiagnosedError, Equatable {
    package let level: Int
    package let found: Int
    package var kind: FailureKind { .usage }
    package var diagnosis: Diagnosis {
        Diagnosis(
            "the text has too many distinct \(level)-grams", location: "model.order", expected: "at most \(Int32.max)", found: "\(found)",
            remedy: "lower model.order, or train on a part of the text")
    }
}
