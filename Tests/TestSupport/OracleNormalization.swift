/// y = gain * (a - mean) / deviation for single vectors (docs/mathematics.md (n1) to (n4)), and its gradients summed over every
/// call of `backward`.
struct OracleNormalization {
    let gain: [Double]
    /// Indices that are normalised together.
    let parts: [Range<Int>]
    var gainGradient: [Double]

    init(gain: [Double], parts: [Range<Int>]? = nil) {
        self.gain = gain
        self.parts = parts ?? [gain.indices]
        gainGradient = Array(repeating: 0, count: gain.count)
    }

    /// - Parameter rows: the indices of `a`, whole parts.
    func callAsFunction(_ a: [Double], rows: Range<Int>) -> [Double] {
        normalized(a, rows: rows).flatMap { part, values, _ in zip(gain[part], values).map { $0 * $1 } }
    }

    /// Takes dL/dy and a; returns dL/da.
    mutating func backward(_ dy: [Double], _ a: [Double], rows: Range<Int>) -> [Double] {
        var da: [Double] = []
        for (part, values, deviation) in normalized(a, rows: rows) {
            let size = Double(part.count)
            let share = part.map { dy[$0 - rows.lowerBound] }
            for (index, row) in part.enumerated() { gainGradient[row] += share[index] * values[index] }
            let dx = zip(share, gain[part]).map { $0 * $1 }
            let mean = dx.reduce(0, +) / size
            let slope = zip(dx, values).reduce(0) { $0 + $1.0 * $1.1 } / size
            da += zip(dx, values).map { ($0 - mean - $1 * slope) / deviation }
        }
        return da
    }

    private func normalized(_ a: [Double], rows: Range<Int>) -> [(part: Range<Int>, values: [Double], deviation: Double)] {
        parts.filter { rows.contains($0.lowerBound) }.map { part in
            let own = part.map { a[$0 - rows.lowerBound] }
            let mean = own.reduce(0, +) / Double(own.count)
            let variance = own.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(own.count)
            let deviation = (variance + 1e-5).squareRoot()
            return (part, own.map { ($0 - mean) / deviation }, deviation)
        }
    }
}
