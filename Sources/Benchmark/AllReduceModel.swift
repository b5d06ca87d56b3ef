import Glibc

/// How long p ranks take to sum m bytes, each over a link of its own, by recursive halving and doubling (Rabenseifner;
/// Thakur, Rabenseifner and Gropp 2005, section 4.5):
///
///     t(p, m) = 2 ceil(log2 p) alpha k  +  2 (p-1)/p m / B
///
/// alpha: seconds until a message arrives, however short; B: bytes a second after that, adding up included; k: the
/// pieces that the transport cuts m into. A ring moves as much, with 2 (p-1) messages instead of 2 log2 p.
public struct AllReduceModel: Codable, Sendable, Equatable {
    /// alpha, seconds.
    public let latency: Double
    /// B.
    public let bytesPerSecond: Double

    public init(latency: Double, bytesPerSecond: Double) {
        self.latency = latency
        self.bytesPerSecond = bytesPerSecond
    }

    /// How long one sum of `bytes` took.
    public struct Measurement: Codable, Sendable {
        public let bytes: Int
        public let seconds: Double

        public init(bytes: Int, seconds: Double) {
            self.bytes = bytes
            self.seconds = seconds
        }
    }

    /// The model with the least sum of squared relative errors over sums of different sizes by the same ranks; neither
    /// latency nor transfer time is below zero.
    public init(fitting measurements: [Measurement], ranks: Int, pieceBytes: Int) {
        precondition(ranks > 1 && !measurements.isEmpty)
        // t = a alpha + b / B, divided by the measured t: x alpha + y / B = 1.
        let terms = measurements.map { measurement in
            let (a, b) = AllReduceModel.factors(bytes: measurement.bytes, ranks: ranks, pieceBytes: pieceBytes)
            return (x: a / measurement.seconds, y: b / measurement.seconds)
        }
        let xx = terms.reduce(0) { $0 + $1.x * $1.x }
        let xy = terms.reduce(0) { $0 + $1.x * $1.y }
        let yy = terms.reduce(0) { $0 + $1.y * $1.y }
        let (sx, sy) = (terms.reduce(0) { $0 + $1.x }, terms.reduce(0) { $0 + $1.y })
        let determinant = xx * yy - xy * xy
        var (alpha, inverse) = determinant > 0 ? ((sx * yy - sy * xy) / determinant, (sy * xx - sx * xy) / determinant) : (-1, -1)
        if alpha < 0 || inverse <= 0 {
            // One of the two alone; latency alone cannot be, or no sum would take longer than another.
            (alpha, inverse) = (0, sy / yy)
        }
        self.init(latency: alpha, bytesPerSecond: 1 / inverse)
    }

    /// - Parameter pieceBytes: more than this is summed in several pieces.
    public func seconds(bytes: Int, ranks: Int, pieceBytes: Int) -> Double {
        let (a, b) = AllReduceModel.factors(bytes: bytes, ranks: ranks, pieceBytes: pieceBytes)
        return a * latency + b / bytesPerSecond
    }

    /// What latency and seconds per byte are multiplied by.
    private static func factors(bytes: Int, ranks: Int, pieceBytes: Int) -> (latency: Double, transfer: Double) {
        if ranks == 1 { return (0, 0) }
        let pieces = Double((bytes + pieceBytes - 1) / pieceBytes)
        let p = Double(ranks)
        return (2 * log2(p).rounded(.up) * pieces, 2 * (p - 1) / p * Double(bytes))
    }
}
