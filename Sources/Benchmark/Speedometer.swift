import CBenchmarkShim
import Glibc
import Kernels

/// A quick look at what one core does: about half a second.
package enum Speedometer {
    /// Bits of the widest vectors that this processor has and the loops of `CeilingSampler` come in.
    package static var vectorBits: Int { 8 * (Ceiling.widths.first ?? 0) }

    /// Operations in a second of processor time: medians of samples that take turns.
    package struct Reading: Sendable {
        /// In fused multiply-adds between registers.
        package let peak: Double
        /// In a product that stays in the second-level cache.
        package let cachedProduct: Double
        /// In a matrix product of a usual size.
        package let product: Double
        /// How much of a core this thread had meanwhile, 0...1. What else runs on the machine shows here.
        package let share: Double
    }

    /// On one thread.
    /// - Throws: `KernelError`.
    package static func measure() throws -> Reading {
        try Arithmetic.prepare(threads: 1)
        let sampler = try CeilingSampler(clock: CLOCK_THREAD_CPUTIME_ID)
        let (wall, processor) = (seconds(CLOCK_MONOTONIC), seconds(CLOCK_THREAD_CPUTIME_ID))
        // Weights of an LSTM with H = 512 for 320 tokens: [320, 512] x [512, 2048].
        let (m, k, n) = (320, 512, 2048)
        let buffers = [m * k, k * n, m * n].map { Buffer(count: $0) }
        defer { withExtendedLifetime(buffers) {} }
        for buffer in buffers { buffer.fill(0.5) }
        var samples: [CeilingSampler.Sample] = []
        var rates: [Double] = []
        repeat {
            samples.append(try sampler.sample())
            let start = seconds(CLOCK_THREAD_CPUTIME_ID)
            try multiply(
                Matrix(buffers[0].base, rows: m, columns: k), by: Matrix(buffers[1].base, rows: k, columns: n),
                into: Matrix(buffers[2].base, rows: m, columns: n))
            rates.append(Double(2 * m * k * n) / (seconds(CLOCK_THREAD_CPUTIME_ID) - start))
        } while seconds(CLOCK_MONOTONIC) - wall < 0.5 || rates.count < 5
        let share = (seconds(CLOCK_THREAD_CPUTIME_ID) - processor) / (seconds(CLOCK_MONOTONIC) - wall)
        return Reading(
            peak: median(samples.map(\.peak)), cachedProduct: median(samples.map(\.cachedProduct)), product: median(rates),
            share: min(1, share))
    }
}
