import Kernels

/// Floating-point operations of a training step's matrix products, by phase: 2 m n k for each product of [m, k] and
/// [k, n], forward and backward. Nothing else is counted, nor anything that need not be computed: the gradient of the
/// recurrent product stops at the start of the chunk, so it has T - 1 steps.
///
///     projection           2 T B G in        in: E for layer 0, else H
///     recurrence           2 T B G H
///     output               2 T B V H
///     output backward      4 T B V H         gradients of its input and of its weights
///     recurrence backward  2 (T-1) B G H     gru: 2 (T-1) B 2H H + 2 T B H H, for r h is a product's input
///     weight gradients     2 T B G (in + H)
///     projection backward  2 T B G in
///
/// For layer 0, projection and what follows from it have as many rows as distinct tokens in place of T B, where they are so computed.
package struct ProductCount: Sendable {
    /// Operations by raw value of the phase.
    private var counts = [Int](repeating: 0, count: PhaseClock.Phase.allCases.count)

    /// - Parameters:
    ///   - batch: B.
    ///   - steps: T.
    ///   - inputRows: those of the lowest layer's input, where they have been counted (`Network.inputRows`); nil: T B.
    package init(
        _ model: ModelConfiguration, batch: Int, steps: Int, inputRows: (forward: Int, backward: Int)? = nil
    ) {
        var chunk = ChunkShape(steps: steps, batch: batch, training: true)
        chunk.inputRows = inputRows
        for product in model.plans(chunk).flatMap(\.products) {
            self[product.phase] += 2 * product.rows * product.columns * product.inner * product.times
        }
    }

    /// What each of `ranks` ranks computes that share the work.
    package func divided(by ranks: Int) -> ProductCount {
        var share = self
        for index in counts.indices { share.counts[index] /= ranks }
        return share
    }

    package private(set) subscript(phase: PhaseClock.Phase) -> Int {
        get { counts[Int(phase.rawValue)] }
        set { counts[Int(phase.rawValue)] = newValue }
    }

    package var total: Int { counts.reduce(0, +) }
}

extension ModelConfiguration {
    /// Bytes of the weights that products use, 4 (sum over layers of G (in + H) + V H): what a single token must
    /// read. Its one row of the embedding is not counted.
    package var productWeightBytes: Int {
        let forward = plans(.token).flatMap(\.products).filter { [.projection, .recurrence, .output].contains($0.phase) }
        return 4 * forward.reduce(0) { $0 + $1.columns * $1.inner * $1.times }
    }
}
