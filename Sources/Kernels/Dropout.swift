import Randomness

/// Inverted dropout (Srivastava et al. 2014, section 10): each value is kept with probability 1 - rate and then
/// divided by it, else set to zero.
/// docs/mathematics.md (29).
///
/// The mask is a pure function of (seed, step, site, global stream, time, column): no mask is stored, the backward pass
/// applies the same one to the gradient, and neither the number of ranks nor a resume changes it. A locked mask (Gal and Ghahramani
/// 2016) is the one of time 0 at all times of the step.
package struct Dropout {
    /// A value is dropped when its 16 random bits are below this: the rate in units of 2^-16.
    private let threshold: UInt32
    /// 1 / (1 - rate).
    package private(set) var scale: Float
    private let isLocked: Bool
    private let key: SIMD2<UInt32>

    /// - Parameters:
    ///   - rate: probability of dropping a value, in [0, 1); rounded to a multiple of 2^-16.
    ///   - isLocked: whether the mask is the same at all times.
    ///   - step: the global step, so that each step has masks of its own.
    package init(rate: Float, isLocked: Bool = false, seed: UInt64, step: Int) {
        precondition(rate >= 0 && rate < 1)
        self.isLocked = isLocked
        threshold = min(UInt32((Double(rate) * 0x1p16).rounded()), 0xFFFF)
        scale = Float(0x1p16 / (0x1p16 - Double(threshold)))
        let base = Philox(seed: seed, purpose: .dropout)
        let mixed = base.block(
            Philox.Block(UInt32(truncatingIfNeeded: step), UInt32(truncatingIfNeeded: step >> 32), 0, 0))
        key = SIMD2(mixed.x, mixed.y)
    }

    /// The same mask with multipliers 0 and 1.
    package var withoutScale: Dropout {
        var mask = self
        mask.scale = 1
        return mask
    }

    /// The multiplier (0 or 1 / (1 - rate)) of one value.
    package func multiplier(site: Int, stream: Int, time: Int, column: Int) -> Float {
        let block = Philox(key: key).block(
            Philox.Block(UInt32(column / 64 * 8 + column % 8), UInt32(isLocked ? 0 : time), UInt32(stream), UInt32(site)))
        let word = block[column % 64 / 16]
        return (column % 16 < 8 ? word & 0xFFFF : word >> 16) < threshold ? 0 : scale
    }

    /// Multiplies a token's vector by the token's multiplier: one for all of it, wherever it is read.
    package func apply(to vector: UnsafeMutablePointer<Float>, count: Int, site: Int, token: Int) {
        let multiplier = multiplier(site: site, stream: token, time: 0, column: 0)
        for (j, lanes) in LaneBlocks(count) { vector.store(vector.load(j) * multiplier, j, lanes) }
    }

    /// Multiplies `source` [T*B, width] by the mask into `result` (which may be the same memory).
    /// - Parameters:
    ///   - site: which of the model's dropout layers this is.
    ///   - batch: B, streams per time step; row t * B + b belongs to time t and global stream `firstStream + b`.
    package func apply(_ source: Matrix, into result: Matrix, site: Int, batch: Int, firstStream: Int) {
        // A locked mask is computed once, for all rows of its stream.
        let masks = isLocked ? min(batch, source.rows) : source.rows
        for first in 0..<masks {
            let time = UInt32(truncatingIfNeeded: first / batch)
            let stream = UInt32(truncatingIfNeeded: firstStream + first % batch)
            var column = 0
            while column < source.columns {
                // Eight counters give 32 words: word w of counter i masks columns 16 w + i (its low half) and
                // 16 w + 8 + i (its high half) of this group of 64.
                let words = Dropout.words(
                    firstBlock: UInt32(truncatingIfNeeded: column / 8), time: time, stream: stream,
                    site: UInt32(truncatingIfNeeded: site), key: key)
                for row in stride(from: first, to: source.rows, by: masks) {
                    let (input, output) = (source.row(row), result.row(row))
                    mask(input, output, column, source.columns, words.0)
                    mask(input, output, column + 16, source.columns, words.1)
                    mask(input, output, column + 32, source.columns, words.2)
                    mask(input, output, column + 48, source.columns, words.3)
                }
                column += 64
            }
        }
    }

    /// Sixteen columns by the halves of eight words.
    @inline(__always)
    private func mask(
        _ input: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>, _ column: Int, _ width: Int,
        _ words: SIMD8<UInt32>
    ) {
        mask(input, output, column, width, low: words & 0xFFFF)
        mask(input, output, column + 8, width, low: words &>> 16)
    }

    @inline(__always)
    private func mask(
        _ input: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>, _ column: Int, _ width: Int,
        low bits: SIMD8<UInt32>
    ) {
        let lanes = min(8, width - column)
        if lanes <= 0 { return }
        let kept = (input.load(column) * scale).replacing(with: 0, where: bits .< threshold)
        output.store(kept, column, lanes)
    }

    /// Philox4x32-10 (see `Philox.block`) at eight consecutive counters.
    @inline(__always)
    private static func words(
        firstBlock: UInt32, time: UInt32, stream: UInt32, site: UInt32, key: SIMD2<UInt32>
    ) -> (SIMD8<UInt32>, SIMD8<UInt32>, SIMD8<UInt32>, SIMD8<UInt32>) {
        var c0 = SIMD8<UInt32>(repeating: firstBlock) &+ SIMD8(0, 1, 2, 3, 4, 5, 6, 7)
        var c1 = SIMD8<UInt32>(repeating: time)
        var c2 = SIMD8<UInt32>(repeating: stream)
        var c3 = SIMD8<UInt32>(repeating: site)
        let weyl = SIMD2<UInt32>(0x9E37_79B9, 0xBB67_AE85)
        var k = key
        for _ in 0..<10 {
            let p0 = SIMD8<UInt64>(truncatingIfNeeded: c0) &* SIMD8<UInt64>(repeating: UInt64(Philox.multiplier0))
            let p1 = SIMD8<UInt64>(truncatingIfNeeded: c2) &* SIMD8<UInt64>(repeating: UInt64(Philox.multiplier1))
            c0 = SIMD8<UInt32>(truncatingIfNeeded: p1 &>> 32) ^ c1 ^ SIMD8<UInt32>(repeating: k.x)
            c2 = SIMD8<UInt32>(truncatingIfNeeded: p0 &>> 32) ^ c3 ^ SIMD8<UInt32>(repeating: k.y)
            c1 = SIMD8<UInt32>(truncatingIfNeeded: p1)
            c3 = SIMD8<UInt32>(truncatingIfNeeded: p0)
            k &+= weyl
        }
        return (c0, c1, c2, c3)
    }
}
