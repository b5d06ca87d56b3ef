import Kernels

/// A predictor with a hidden vector for every token that it has read: what its output layer reads.
package protocol HiddenStatePredictor: TokenPredictor {
    /// H.
    var hiddenSize: Int { get }

    /// The hidden vectors of the chunk just read, [T*B, H], time-major. Valid until the next call.
    var hidden: Matrix { get }
}
