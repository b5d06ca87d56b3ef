import Elementary

/// A back-off n-gram model: the probability of a word after those before it.
///
/// The n-grams form a tree: those of length n + 1 that begin with an n-gram are its children, side by side, in the order of their
/// last words. Level 1 has every word, in order of number. A word w after a context h has the probability of the
/// longest n-gram (suffix of h, w) that there is, times the back-off weights of the longer suffixes of h that are n-grams
/// themselves (Katz 1987; an interpolated model is stored in the same form).
package final class NGramModel: Sendable {
    /// The n-grams of one length. `N` is how many there are.
    package struct Level: Sendable {
        /// Last words, [N]; empty at level 1, where the word is the place.
        package let words: Column<Int32>
        /// log10 p, [N].
        package let logProbabilities: Column<Float>
        /// log10 of the back-off weight, [N]; empty at the highest level.
        package let backoffs: Column<Float>
        /// Children of n-gram i: `children[i]..<children[i + 1]` of the next level, [N + 1]; empty at the highest level.
        package let children: Column<Int32>

        package init(
            words: Column<Int32>, logProbabilities: Column<Float>, backoffs: Column<Float>, children: Column<Int32>
        ) {
            self.words = words
            self.logProbabilities = logProbabilities
            self.backoffs = backoffs
            self.children = children
        }

        package var count: Int { logProbabilities.count }
    }

    package let wordSet: WordSet
    /// `levels[n - 1]` has the n-grams of length n.
    package let levels: [Level]
    package var order: Int { levels.count }

    /// Checks every number.
    /// - Throws: `NGramModelError`.
    package init(_ wordSet: WordSet, levels: [Level]) throws {
        self.wordSet = wordSet
        self.levels = levels
        guard levels.first?.count == wordSet.count else { throw NGramModelError(level: 1, "not as many words as the description says") }
        for (index, level) in levels.enumerated() {
            if let problem = level.problem(words: wordSet.count, next: index + 1 < levels.count ? levels[index + 1] : nil, first: index == 0) {
                throw NGramModelError(level: index + 1, problem)
            }
        }
    }

    // MARK: Contexts

    /// What is known of the words before a place: for each n below the order, the n-gram that ends there; -1 if there is none.
    package struct Context: Sendable {
        /// `grams[n]`; `grams[0]` is the empty one, of which the words are the children.
        var grams: [Int32]
    }

    /// Before the first word of a line.
    package var start: Context {
        var context = Context(grams: [Int32](repeating: -1, count: order))
        context.grams[0] = 0
        if let begin = wordSet.begin, order > 1 { context.grams[1] = begin }
        return context
    }

    /// log10 of the probability of `word` after `context`, and the context after it.
    ///
    /// After the end of a line, this is the start of the next.
    /// - Parameter next: overwritten; may not be `context`'s own memory.
    @inline(__always)
    package func logProbability(of word: Int32, after context: borrowing Context, next: inout Context) -> Float {
        var (result, weights) = (levels[0].logProbabilities[Int(word)], Float(0))
        if order > 1 { next.grams[1] = word }
        for n in 1..<order {
            let gram = Int(context.grams[n])
            var found: Int32 = -1
            if gram >= 0 {
                found = child(of: gram, level: n, word)
                if found >= 0 {
                    (result, weights) = (levels[n].logProbabilities[Int(found)], 0)
                } else {
                    weights += levels[n - 1].backoffs[gram]
                }
            }
            if n + 1 < order { next.grams[n + 1] = found }
        }
        if word == wordSet.end { next = start }
        return result + weights
    }

    /// log10 of the probabilities of the vocabulary's words after `context`, [V].
    package func logProbabilities(after context: Context, into result: UnsafeMutableBufferPointer<Float>) {
        precondition(result.count == wordSet.vocabularySize)
        // The back-off weights of contexts of n words and more; none above the longest.
        var weights = [Float](repeating: 0, count: order + 1)
        for n in (1..<order).reversed() {
            let gram = Int(context.grams[n])
            weights[n] = weights[n + 1] + (gram >= 0 ? levels[n - 1].backoffs[gram] : 0)
        }
        for word in result.indices { result[word] = levels[0].logProbabilities[word] + weights[1] }
        for n in 1..<order where context.grams[n] >= 0 {
            let gram = Int(context.grams[n])
            for index in Int(levels[n - 1].children[gram])..<Int(levels[n - 1].children[gram + 1]) {
                let word = Int(levels[n].words[index])
                if word < result.count { result[word] = levels[n].logProbabilities[index] + weights[n + 1] }
            }
        }
    }

    /// The n-gram of level n + 1 that is `gram` followed by `word`; -1 if there is none.
    @inline(__always)
    private func child(of gram: Int, level n: Int, _ word: Int32) -> Int32 {
        // Pointers without their owners: no reference is counted for a search.
        let children = levels[n - 1].children.elements.baseAddress.unsafelyUnwrapped
        let words = levels[n].words.elements.baseAddress
        var (low, high) = (children[gram], children[gram + 1])
        while low < high {
            let middle = low &+ (high &- low) / 2
            let found = words.unsafelyUnwrapped[Int(middle)]
            if found == word { return middle }
            if found < word { low = middle &+ 1 } else { high = middle }
        }
        return -1
    }
}

extension NGramModel.Level {
    /// What is wrong with the numbers of this level, so that no search may leave them.
    /// - Parameters:
    ///   - words: how many words there are.
    ///   - next: nil at the highest level.
    fileprivate func problem(words count: Int, next: NGramModel.Level?, first: Bool) -> String? {
        guard logProbabilities.elements.allSatisfy({ $0 <= 0 && $0.isFinite }) else { return "log probabilities above 0, or not numbers" }
        guard first ? words.count == 0 : words.count == self.count else { return "not a word for each n-gram" }
        guard words.elements.allSatisfy({ $0 >= 0 && Int($0) < count }) else { return "words that do not exist" }
        guard let next else { return backoffs.count == 0 && children.count == 0 ? nil : "n-grams of the highest order with children" }
        guard backoffs.count == self.count, children.count == self.count + 1 else { return "not a back-off weight for each n-gram" }
        guard backoffs.elements.allSatisfy(\.isFinite) else { return "back-off weights that are not numbers" }
        let places = children.elements
        guard places[0] == 0, Int(places[self.count]) == next.count, zip(places, places.dropFirst()).allSatisfy({ $0 <= $1 }) else {
            return "children that do not follow one another"
        }
        guard next.words.count == next.count else { return "not a word for each child" }
        for gram in 0..<self.count {
            let own = next.words.elements[Int(places[gram])..<Int(places[gram + 1])]
            guard zip(own, own.dropFirst()).allSatisfy({ $0 < $1 }) else { return "children out of order" }
        }
        return nil
    }
}
