/// A language model as evaluate, score, generate, complete and the samples see it, whatever it is made of.
///
/// It reads texts token by token, several side by side, and says what it expects next. Whoever uses it first asks for room
/// (`reserve`), then starts texts (`reset`) and reads them in chunks (`read`). A text's numbers do not depend on the texts
/// beside it, nor on where chunks end.
///
///   B  texts read side by side      T  tokens of a chunk      V  size of the vocabulary
package protocol TokenPredictor: AnyObject {
    /// V.
    var vocabularySize: Int { get }

    /// The token that every text starts with for a model that reads each line by itself: the one that ends lines. Nil for a
    /// model to which a line end is a token like others.
    var lineStart: Int32? { get }

    /// Tokens of every text that evaluation reads at a time.
    var chunkLength: Int { get }

    /// Makes room for up to `streams` texts side by side and chunks of up to `steps` tokens. Called before all else.
    /// - Throws: `KernelError`.
    func reserve(streams: Int, steps: Int) throws

    /// Takes note of parameters that a training step has changed.
    /// - Throws: `KernelError`.
    func refresh() throws

    /// Starts `streams` new texts, at most as many as there is room for.
    func reset(streams: Int)

    /// Reads the next chunk of every text.
    /// - Parameter tokens: [T, B], time-major.
    /// - Throws: `KernelError`.
    func read(_ tokens: UnsafePointer<Int32>, steps: Int) throws

    /// The losses of the chunk just read; called once for each.
    /// - Parameters:
    ///   - targets: the token after each of the chunk, [T, B]; -1 where nothing is predicted.
    ///   - each: called with (t * B + b, nats) of every prediction, in order; nats may be infinite or NaN.
    /// - Throws: `KernelError`.
    func losses(of targets: UnsafePointer<Int32>, each: (_ row: Int, _ nats: Double) -> Void) throws

    /// Natural logarithms of the next token's probabilities after the chunk just read, up to a constant that is the same for
    /// all: [V], for the text at `stream`. Valid until the next call; the caller may overwrite them.
    /// - Throws: `KernelError`.
    func logits(ofStream stream: Int) throws -> UnsafeMutableBufferPointer<Float>
}

extension TokenPredictor {
    package var lineStart: Int32? { nil }
    package var chunkLength: Int { Evaluator.chunkLength }
}
