import Elementary
import Kernels
import NGram

/// An n-gram model as a predictor. Its state is the last words of every text; a text begins at the start of a line, and so does
/// what follows the end of one.
package final class NGramPredictor: TokenPredictor {
    package let model: NGramModel
    private var texts: [Text] = []
    /// The chunk that was read, [T, B]. It is looked up only when something is asked of it.
    private var chunk: [Int32] = []
    private let output: Buffer  // [V]
    private let ln10 = Elementary.logarithm(10)

    package init(_ model: NGramModel) {
        self.model = model
        output = Buffer(count: model.wordSet.vocabularySize)
    }

    package var vocabularySize: Int { model.wordSet.vocabularySize }

    package func reserve(streams: Int, steps: Int) {}
    package func refresh() {}

    package func reset(streams: Int) {
        texts = [Text](repeating: Text(model.start), count: streams)
        chunk.removeAll(keepingCapacity: true)
    }

    package func read(_ tokens: UnsafePointer<Int32>, steps: Int) {
        follow()
        chunk.append(contentsOf: UnsafeBufferPointer(start: tokens, count: steps * texts.count))
    }

    package func losses(of targets: UnsafePointer<Int32>, each: (_ row: Int, _ nats: Double) -> Void) {
        let streams = texts.count
        for (row, token) in chunk.enumerated() {
            let stream = row % streams
            texts[stream].read(token, model)
            if targets[row] >= 0 { each(row, -Double(texts[stream].logProbability(of: targets[row], model)) * ln10) }
        }
        chunk.removeAll(keepingCapacity: true)
    }

    package func logits(ofStream stream: Int) -> UnsafeMutableBufferPointer<Float> {
        follow()
        let result = UnsafeMutableBufferPointer(start: output.base, count: vocabularySize)
        model.logProbabilities(after: texts[stream].context, into: result)
        let factor = Float(ln10)
        for word in result.indices { result[word] *= factor }
        return result
    }

    /// Reads what is left of the chunk.
    private func follow() {
        for (row, token) in chunk.enumerated() { texts[row % texts.count].read(token, model) }
        chunk.removeAll(keepingCapacity: true)
    }

    /// One of the texts read side by side.
    private struct Text {
        private(set) var context: NGramModel.Context
        /// The context if `expected` comes next: looking a word up to score it finds this, too.
        private var following: NGramModel.Context
        private var expected: Int32 = -1

        init(_ start: NGramModel.Context) {
            context = start
            following = start
        }

        mutating func read(_ word: Int32, _ model: NGramModel) {
            if word != expected { _ = model.logProbability(of: word, after: context, next: &following) }
            swap(&context, &following)
            expected = -1
        }

        mutating func logProbability(of word: Int32, _ model: NGramModel) -> Float {
            expected = word
            return model.logProbability(of: word, after: context, next: &following)
        }
    }
}
