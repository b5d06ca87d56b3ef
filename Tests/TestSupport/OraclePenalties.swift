/// Penalties on what the uppermost layer puts out, written from docs/mathematics.md (p1) as they are there: means over a chunk, times
/// its number of predictions.
package struct OraclePenalties: Sendable {
    /// alpha, of the squares of the output after dropout.
    package var activation = 0.0
    /// beta, of the squares of its changes from step to step before dropout.
    package var slowness = 0.0

    package init(activation: Double = 0, slowness: Double = 0) {
        self.activation = activation
        self.slowness = slowness
    }

    /// Penalty and derivatives of one stream's part of the chunk.
    /// - Parameters:
    ///   - raw: the output before dropout, [T][H].
    ///   - dropped: after it.
    ///   - starts: where a line starts, no change is penalised.
    func of(raw: [[Double]], dropped: [[Double]], starts: [Bool]) -> (penalty: Double, raw: [[Double]], dropped: [[Double]]) {
        let (steps, width) = (raw.count, Double(raw[0].count))
        let each = (activation: activation / width, slowness: steps < 2 ? 0 : slowness * Double(steps) / (Double(steps - 1) * width))
        var penalty = dropped.joined().reduce(0) { $0 + each.activation * $1 * $1 }
        var gradient = raw.map { $0.map { _ in 0.0 } }
        for t in 1..<max(1, steps) where !starts[t] {
            for j in raw[t].indices {
                let change = raw[t][j] - raw[t - 1][j]
                penalty += each.slowness * change * change
                gradient[t][j] += 2 * each.slowness * change
                gradient[t - 1][j] -= 2 * each.slowness * change
            }
        }
        return (penalty, gradient, dropped.map { $0.map { 2 * each.activation * $0 } })
    }
}
