import CBenchmarkShim
import Glibc
import Kernels

/// Samples in a few milliseconds what one core can do at that moment: the highest rate of fused multiply-adds, and the rate of a
/// product whose operands stay in the second-level cache.
///
/// A core's speed changes from second to second with its clock and its neighbours. A share of the peak means something only
/// if both are measured at the same time, so samples are taken between the steps or products that are compared with them.
final class CeilingSampler {
    /// Single-precision operations per second; additions and multiplications count separately.
    struct Sample: Codable {
        /// In fused multiply-adds between registers.
        var peak: Double
        /// In the cached product.
        var cachedProduct: Double
    }

    private let width: Int32  // of the fastest vectors, bytes
    private let clock: clockid_t
    private let product: PackedProduct  // [64, 256] x [256, 256]
    private let operands: Buffer
    private let result: Buffer

    /// The rows of the cached product, and its other two sizes. Together 384 KiB: L2 caches have 512 KiB or more.
    private static let (rows, side) = (64, 256)

    /// - Parameter clock: the clock that counts: elapsed time, or this thread's processor time.
    /// - Throws: `KernelError`.
    init(clock: clockid_t = CLOCK_MONOTONIC) throws {
        self.clock = clock
        product = try PackedProduct(
            rows: Self.rows, inputs: Self.side, outputs: Self.side, transposed: false, accumulate: false)
        operands = Buffer(count: (Self.rows + Self.side) * Self.side)
        result = Buffer(count: Self.rows * Self.side)
        operands.fill(0.5)
        product.pack(operands.base + Self.rows * Self.side)
        let rates = Ceiling.widths.map { width in
            (rate: Self.rate(of: CLOCK_THREAD_CPUTIME_ID) { lockstep_fma(Int32(width), Self.rounds(width)) }, width: width)
        }
        width = Int32(rates.max { $0.rate < $1.rate }!.width)
    }

    /// Allocates nothing.
    /// - Throws: `KernelError`.
    func sample() throws -> Sample {
        let peak = Self.rate(of: clock) { lockstep_fma(width, Self.rounds(Int(width))) }
        let repetitions = 16
        // The first one brings the operands into the cache.
        try product.run(operands.base, into: result.base)
        let cached = try Self.rate(of: clock) {
            for _ in 0..<repetitions { try product.run(operands.base, into: result.base) }
            return Double(repetitions * 2 * Self.rows * Self.side * Self.side)
        }
        return Sample(peak: peak, cachedProduct: cached)
    }

    /// Rounds of the loop for one or two milliseconds.
    private static func rounds(_ width: Int) -> Int64 { Int64(32_000_000 / width) }

    /// The operations that `body` returns, per second of `clock`.
    private static func rate(of clock: clockid_t, _ body: () throws -> Double) rethrows -> Double {
        let start = seconds(clock)
        let operations = try body()
        return operations / (seconds(clock) - start)
    }
}

/// The reading of `clock`, in seconds.
func seconds(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
