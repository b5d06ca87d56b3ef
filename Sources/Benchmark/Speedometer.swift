import CBenchmarkShim
import Glibc
import Kernels

/// A quick look at what one core does: about a second.
public enum Speedometer {
    /// Bits of the widest vectors that this processor has and the loops of `Ceiling` come in.
    public static var vectorBits: Int { 8 * (Ceiling.widths.first ?? 0) }

    /// - Returns: floating-point operations in a second of processor time, in fused multiply-adds between registers and in
    ///   one matrix product of a usual size on one thread; and how much of a core this thread got meanwhile, 0...1. What else runs on
    ///   the machine shows in the last one.
    /// - Throws: `KernelError`.
    public static func measure() throws -> (peak: Double, product: Double, share: Double) {
        let (wall, processor) = (seconds(CLOCK_MONOTONIC), seconds(CLOCK_THREAD_CPUTIME_ID))
        let peak = Ceiling.widths.map { width in
            let rounds = Int64(80_000_000 / width)  // some ten milliseconds
            return rate { lockstep_fma(Int32(width), rounds) }
        }.max() ?? 0
        try Arithmetic.prepare(threads: 1)
        let product = try product()
        let share = (seconds(CLOCK_THREAD_CPUTIME_ID) - processor) / (seconds(CLOCK_MONOTONIC) - wall)
        return (peak, product, min(1, share))
    }

    /// Weights of an LSTM with H = 512 for 320 tokens: [320, 512] x [512, 2048].
    private static func product() throws -> Double {
        let (m, k, n) = (320, 512, 2048)
        let buffers = [m * k, k * n, m * n].map { Buffer(count: $0) }
        for buffer in buffers { buffer.fill(0.5) }
        return try rate {
            try multiply(
                Matrix(buffers[0].base, rows: m, columns: k), by: Matrix(buffers[1].base, rows: k, columns: n),
                into: Matrix(buffers[2].base, rows: m, columns: n))
            return Double(2 * m * k * n)
        }
    }

    /// Operations that `body` returns, in a second of this thread's processor time. The first call warms up.
    private static func rate(_ body: () throws -> Double) rethrows -> Double {
        _ = try body()
        let (wall, processor) = (seconds(CLOCK_MONOTONIC), seconds(CLOCK_THREAD_CPUTIME_ID))
        var operations = 0.0
        repeat { operations += try body() } while seconds(CLOCK_MONOTONIC) - wall < 0.25
        return operations / (seconds(CLOCK_THREAD_CPUTIME_ID) - processor)
    }

    private static func seconds(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
