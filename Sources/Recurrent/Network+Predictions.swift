import Kernels

/// What the network says of the chunk just run, without gradients.
extension Network {
    /// The loss of the last chunk, without gradients.
    /// - Parameters:
    ///   - targets: [T, B]; -1 where nothing is predicted. Of a classifier's sequence, the last position has the label.
    ///   - each: called with (t * B + b, nats) of every prediction.
    package func loss(_ targets: UnsafePointer<Int32>, each: ((Int, Double) -> Void)? = nil) throws -> LossSum {
        guard let pool else { return try head.loss(hidden, targets: targets, each: each) }
        pool.forward(hidden, targets: targets, batch: batch)
        return try head.loss(pool.output, targets: pool.targets) { b, nats in each?(pool.row(b), nats) }
    }

    /// The logits of the last chunk's predictions.
    /// - Parameters:
    ///   - targets: as for `loss`; any label says that there is a prediction.
    ///   - each: called with (t * B + b, [outputs]) of every prediction, in the order of `loss`; the logits are valid during the call.
    package func predictions(
        _ targets: UnsafePointer<Int32>, each: (Int, UnsafeMutableBufferPointer<Float>) throws -> Void
    ) throws {
        if let pool { pool.forward(hidden, targets: targets, batch: batch) }
        let (rows, marks) = pool.map { ($0.output, UnsafePointer($0.targets)) } ?? (hidden, targets)
        for row in 0..<rows.rows where marks[row] >= 0 { try each(pool?.row(row) ?? row, head.logits(of: rows.row(row))) }
    }

    /// Logits [V] after the last step of the chunk just run, for one stream; valid until the next call.
    package func lastLogits(stream: Int = 0) throws -> UnsafeMutableBufferPointer<Float> {
        let hidden = input(ofLayer: layers.count)
        return try head.logits(of: hidden.row((steps - 1) * batch + stream))
    }
}
