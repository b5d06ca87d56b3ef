import CProducts
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
    ///   - share: which of a number of masks are applied.
    package func apply(
        _ source: Matrix, into result: Matrix, site: Int, batch: Int, firstStream: Int, using vectors: Vectors = .active,
        share: (_ masks: Int) -> Range<Int> = { 0..<$0 }
    ) {
        let mask = vectors.mask
        // A locked mask is computed once, for all rows of its stream.
        let masks = isLocked ? min(batch, source.rows) : source.rows
        for first in share(masks) {
            let counter = Dropout.counter(time: first / batch, stream: firstStream + first % batch, site: site)
            withUnsafeBytes(of: (counter, key)) {
                let words = $0.assumingMemoryBound(to: UInt32.self).baseAddress!
                mask(
                    source.row(first), masks * source.stride, result.row(first), masks * result.stride,
                    (source.rows - first + masks - 1) / masks, source.columns, threshold, scale, words, words + 4)
            }
        }
    }

    private static func counter(time: Int, stream: Int, site: Int) -> SIMD4<UInt32> {
        SIMD4(
            UInt32(truncatingIfNeeded: time), UInt32(truncatingIfNeeded: stream), UInt32(truncatingIfNeeded: site), 0)
    }
}
