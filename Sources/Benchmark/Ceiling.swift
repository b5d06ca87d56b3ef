import CBenchmarkShim
import Kernels

/// What one core can do at best, measured by loops that do nothing else. Meant to be run on all ranks at once, as
/// training is: cores share power, caches and memory.
enum Ceiling {
    /// Widths of this processor's vectors worth trying, bytes.
    static let widths = [64, 32, 16].filter { lockstep_has_vectors(Int32($0)) }.prefix(2)

    /// Bytes a second of one core that reads `bytes` of memory in order, again and again: from the memory itself when
    /// they are several times the last cache, else from the cache they fit in. The median over a quarter of a second.
    static func read(bytes: Int) -> Double {
        let memory = Buffer(count: floats(bytes))
        var sum: Float = 0
        let seconds = repeated(for: 0.25) { sum += lockstep_read(Int32(widths[0]), memory.base, Int64(memory.count)) }
        memory.base[0] = sum
        return Double(memory.count * MemoryLayout<Float>.stride) / median(seconds)
    }

    /// Bytes a second of one core that computes a = b + s c over three arrays of `bytes` together, which is what is
    /// counted (as STREAM does; the processor also reads what it is about to overwrite). The median over a quarter of a
    /// second.
    static func triad(bytes: Int) -> Double {
        let count = floats(bytes / 3)
        let memory = Buffer(count: 3 * count)
        let seconds = memory.elements.withUnsafe { memory in
            let a = memory.baseAddress!
            return repeated(for: 0.25) { lockstep_triad(Int32(widths[0]), a, a + count, a + 2 * count, 2, Int64(count)) }
        }
        return Double(memory.count * MemoryLayout<Float>.stride) / median(seconds)
    }

    /// Whole rounds of the loops.
    private static func floats(_ bytes: Int) -> Int { max(1, bytes / MemoryLayout<Float>.stride / 128) * 128 }
}

/// Seconds that each of several calls of `body` took: as many as fit into `seconds`, but three at least.
func repeated(for seconds: Double, _ body: () throws -> Void) rethrows -> [Double] {
    var times: [Double] = []
    var total = 0.0
    while total < seconds || times.count < 3 {
        times.append(try timed(body))
        total += times.last!
    }
    return times
}

/// Seconds that `body` took.
func timed(_ body: () throws -> Void) rethrows -> Double {
    let start = ContinuousClock.now
    try body()
    return (ContinuousClock.now - start) / .seconds(1)
}

/// The middle value, or the mean of the two in the middle.
func median(_ values: [Double]) -> Double {
    precondition(!values.isEmpty)
    let sorted = values.sorted()
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}
