import Kernels

/// Token ids to vectors: row `id` of the embedding [V, E]. docs/mathematics.md (5) and (6).
struct Embedding {
    let weights: Matrix  // [V, E]
    let gradients: Matrix?  // [V, E]

    /// - Parameter tokens: [N], each in 0 ..< V.
    func forward(_ tokens: UnsafePointer<Int32>, into output: Matrix) {
        for i in 0..<output.rows { copy(weights.row(Int(tokens[i])), to: output.row(i), count: weights.columns) }
    }

    /// Adds row i of `outputGradient` [N, E] to the gradient of token i, in the order of the tokens. The rest of the
    /// gradient is unchanged: zero, if rows are cleared after use, or the output layer's share with tied weights.
    func backward(_ tokens: UnsafePointer<Int32>, outputGradient: Matrix) {
        guard let gradients else { preconditionFailure("a model made for evaluation") }
        for i in 0..<outputGradient.rows {
            let sum = gradients.row(Int(tokens[i]))
            add(sum, outputGradient.row(i), into: sum, count: gradients.columns)
        }
    }

    /// Clears the gradients of these tokens: a few rows, where the whole gradient has V.
    func clearGradients(of tokens: UnsafePointer<Int32>, count: Int) {
        guard let gradients else { return }
        for i in 0..<count { gradients.row(Int(tokens[i])).update(repeating: 0, count: gradients.columns) }
    }
}
