import Elementary

/// Philox4x32-10, the counter-based generator of Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3",
/// section 3.3: a keyed bijection from a 128-bit counter to 128 random bits.
///
/// No state is carried: the value for (seed, step, stream, layer) is the same on any rank and in any order.
/// This makes dropout independent of the number of ranks, and a resumed run equal to an uninterrupted one.
package struct Philox: Sendable {
    package typealias Block = SIMD4<UInt32>

    package let key: SIMD2<UInt32>

    package init(key: SIMD2<UInt32>) { self.key = key }

    /// A generator for one purpose of one run: equal seeds with different purposes are independent.
    package init(seed: UInt64, purpose: Purpose) {
        // One application mixes all 64 seed bits and the purpose into a new key.
        let seedKey = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
        let mixed = Philox(key: seedKey).block(Block(purpose.rawValue, 0, 0, 0))
        key = SIMD2(mixed.x, mixed.y)
    }

    /// What random numbers are used for. Raw values are part of the trajectory: never renumber.
    package enum Purpose: UInt32, Sendable {
        case initialisation = 1
        case dropout = 2
        case unrollLength = 3
        case sampling = 4
        case corpus = 5
        case verification = 6
        case noise = 7
        case sequenceOrder = 8
    }

    package static let multiplier0: UInt32 = 0xD251_1F53
    package static let multiplier1: UInt32 = 0xCD9E_8D57
    package static let weyl = SIMD2<UInt32>(0x9E37_79B9, 0xBB67_AE85)

    /// The 128 random bits at `counter`.
    package func block(_ counter: Block) -> Block {
        var c = counter
        var k = key
        for _ in 0..<10 {
            let p0 = Philox.multiplier0.multipliedFullWidth(by: c.x)
            let p1 = Philox.multiplier1.multipliedFullWidth(by: c.z)
            c = Block(p1.high ^ c.y ^ k.x, p1.low, p0.high ^ c.w ^ k.y, p0.low)
            k &+= Philox.weyl
        }
        return c
    }
}

/// A sequence of random numbers drawn from consecutive Philox counters, for uses that are sequential by nature
/// (sampling text, generating a corpus). Conforms to `RandomNumberGenerator`; the same on every platform.
package struct PhiloxSequence: RandomNumberGenerator, Sendable {
    private let philox: Philox
    private var counter: UInt64 = 0
    private var spare: UInt64?
    private let stream: UInt64

    package init(seed: UInt64, purpose: Philox.Purpose, stream: UInt64 = 0) {
        philox = Philox(seed: seed, purpose: purpose)
        self.stream = stream
    }

    package mutating func next() -> UInt64 {
        if let value = spare {
            spare = nil
            return value
        }
        let block = philox.block(
            Philox.Block(
                UInt32(truncatingIfNeeded: counter), UInt32(truncatingIfNeeded: counter >> 32),
                UInt32(truncatingIfNeeded: stream), UInt32(truncatingIfNeeded: stream >> 32)))
        counter &+= 1
        spare = UInt64(block.z) | UInt64(block.w) << 32
        return UInt64(block.x) | UInt64(block.y) << 32
    }

    /// Uniform in [0, 1), 53 random bits.
    package mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// Standard normal, by Box and Muller 1958.
    package mutating func normal() -> Double {
        let radius = (-2 * Elementary.logarithm(1 - uniform())).squareRoot()
        return radius * Elementary.cosine(halfTurns: 2 * uniform())
    }
}
