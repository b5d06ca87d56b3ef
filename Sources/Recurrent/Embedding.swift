import Kernels

/// Token ids to vectors: row `id` of the embedding [V, E].
struct Embedding {
    let weights: Matrix  // [V, E]
    let gradients: Matrix?  // [V, E]

    /// - Parameter tokens: [N], each in 0 ..< V.
    func forward(_ tokens: UnsafePointer<Int32>, into output: Matrix) {
        for i in 0..<output.rows { copy(weights.row(Int(tokens[i])), to: output.row(i), count: weights.columns) }
    }

    /// Adds row i of `outputGradient` [N, E] to the gradient of token i, in the order of the tokens.
    /// - Parameter keep: the gradient already holds the output layer's share (tied weights); else it starts from zero.
    func backward(_ tokens: UnsafePointer<Int32>, outputGradient: Matrix, keep: Bool) {
        guard let gradients else { preconditionFailure("a model made for evaluation") }
        if !keep { gradients.base.update(repeating: 0, count: gradients.rows * gradients.columns) }
        for i in 0..<outputGradient.rows {
            let sum = gradients.row(Int(tokens[i]))
            add(sum, outputGradient.row(i), into: sum, count: gradients.columns)
        }
    }
}
