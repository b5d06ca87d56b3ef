/// How long p ranks take to sum m bytes on a ring, each over a link of its own (Patarasuk and Yuan 2009, section 3):
///
///     t(p, m) = 2 (p-1) alpha k  +  2 (p-1)/p m / B
///
/// alpha: seconds until a message arrives, however short; B: bytes per second after that, summing included; k: the number of
/// pieces into which the transport cuts a p-th of m.
package struct AllReduceModel: Codable, Sendable, Equatable {
    /// alpha, seconds.
    package let latency: Double
    /// B.
    package let bytesPerSecond: Double

    package init(latency: Double, bytesPerSecond: Double) {
        self.latency = latency
        self.bytesPerSecond = bytesPerSecond
    }

    /// How long one sum of `bytes` took.
    package struct Measurement: Codable, Sendable {
        package let bytes: Int
        package let seconds: Double

        package init(bytes: Int, seconds: Double) {
            self.bytes = bytes
            self.seconds = seconds
        }
    }

    /// The model that fits the smallest and the largest of these sums, made by the same ranks exactly. Latency dominates
    /// the smallest, and training needs the largest. Neither latency nor transfer time is negative; if
    /// the two points imply otherwise, the latency is zero.
    package init(fitting measurements: [Measurement], ranks: Int, pieceBytes: Int) {
        precondition(ranks > 1)
        let small = measurements.min { $0.bytes < $1.bytes }!
        let large = measurements.max { $0.bytes < $1.bytes }!
        let (a, b) = AllReduceModel.factors(bytes: small.bytes, ranks: ranks, pieceBytes: pieceBytes)
        let (c, d) = AllReduceModel.factors(bytes: large.bytes, ranks: ranks, pieceBytes: pieceBytes)
        // a alpha + b / B = t(small), c alpha + d / B = t(large), by Cramer's rule.
        let determinant = a * d - b * c
        let alpha = (small.seconds * d - b * large.seconds) / determinant
        let inverse = (a * large.seconds - c * small.seconds) / determinant
        if determinant > 0, alpha >= 0, inverse > 0 {
            self.init(latency: alpha, bytesPerSecond: 1 / inverse)
        } else {
            self.init(latency: 0, bytesPerSecond: d / large.seconds)
        }
    }

    /// - Parameter pieceBytes: longer sums are split into pieces of this size.
    package func seconds(bytes: Int, ranks: Int, pieceBytes: Int) -> Double {
        let (a, b) = AllReduceModel.factors(bytes: bytes, ranks: ranks, pieceBytes: pieceBytes)
        return a * latency + b / bytesPerSecond
    }

    /// The factors of latency and of seconds per byte.
    private static func factors(bytes: Int, ranks: Int, pieceBytes: Int) -> (latency: Double, transfer: Double) {
        if ranks == 1 { return (0, 0) }
        let pieces = Double((bytes / ranks + pieceBytes - 1) / pieceBytes)
        let p = Double(ranks)
        return (2 * (p - 1) * max(1, pieces), 2 * (p - 1) / p * Double(bytes))
    }
}
