/// Eight floats side by side: one AVX register. `.rounded()`, `.clamped()` and numeric conversions of Swift's SIMD
/// types compile to scalar code, so nothing here uses them.
///
/// The loops that take the most time are in C, for vectors of the processor's own width (`CellArithmetic`); lanes.h has the
/// same functions as this file, with the same bits.
@usableFromInline
package typealias Lanes = SIMD8<Float>
@usableFromInline
package typealias IntegerLanes = SIMD8<Int32>

/// The offsets 0, 8, 16, ... of `count` elements, each with the number of lanes to be used there: eight, but for the last.
///
/// A sequence and not a function that takes a closure, since the compiler does not inline a closure of some size. The test
/// for a full vector in each store is always predicted right.
@frozen @usableFromInline
package struct LaneBlocks: Sequence, IteratorProtocol {
    @usableFromInline let count: Int
    @usableFromInline var offset = 0

    @inlinable @inline(__always)
    package init(_ count: Int) { self.count = count }

    @inlinable @inline(__always)
    package mutating func next() -> (offset: Int, lanes: Int)? {
        guard offset < count else { return nil }
        defer { offset &+= 8 }
        return (offset, Swift.min(8, count &- offset))
    }
}

extension UnsafePointer<Float> {
    /// Eight floats from `offset` on, some of which may lie past the end of the data: every `Buffer` has room
    /// behind it for that. (A load with a case for fewer lanes would make the compiler split all vectors in halves.)
    @inlinable @inline(__always)
    package func load(_ offset: Int) -> Lanes { UnsafeRawPointer(self + offset).loadUnaligned(as: Lanes.self) }
}

extension UnsafeMutablePointer<Float> {
    @inlinable @inline(__always)
    package func load(_ offset: Int) -> Lanes { UnsafePointer(self).load(offset) }

    /// Writes the first `lanes` lanes.
    @inlinable @inline(__always)
    package func store(_ value: Lanes, _ offset: Int, _ lanes: Int = 8) {
        if lanes == 8 {
            UnsafeMutableRawPointer(self + offset).storeBytes(of: value, as: Lanes.self)
        } else {
            // By way of memory, or the compiler would work on halves of vectors from the start.
            withUnsafeBytes(of: value) {
                UnsafeMutableRawPointer(self + offset).copyMemory(from: $0.baseAddress!, byteCount: 4 &* lanes)
            }
        }
    }
}

extension Lanes {
    /// The sum of the lanes, halves first: an order of our own, where `sum()` has the standard library's.
    @inlinable @inline(__always)
    package var total: Float {
        let four = lowHalf + highHalf
        let two = four.lowHalf + four.highHalf
        return two[0] + two[1]
    }
}

@inlinable @inline(__always)
package func minimum(_ a: Lanes, _ b: Lanes) -> Lanes { a.replacing(with: b, where: b .< a) }

@inlinable @inline(__always)
package func maximum(_ a: Lanes, _ b: Lanes) -> Lanes { a.replacing(with: b, where: b .> a) }

/// e^x with a relative error below 2 units in the last place; 0 below -87.3, about 2.4e38 above 88.3. NaN stays NaN.
///
/// Cody and Waite's range reduction x = n ln 2 + r, |r| <= ln 2 / 2, then the degree-5 polynomial of the Cephes
/// library's `expf` (Moshier 1989). n is rounded by adding 1.5 * 2^23, whose last mantissa bit has weight one.
@inlinable @inline(__always)
package func exponential(_ x: Lanes) -> Lanes {
    let shift = Lanes(repeating: 12_582_912)
    // The order of operands lets a NaN through: comparisons with NaN are false.
    let clamped = minimum(maximum(x, Lanes(repeating: -87.336)), Lanes(repeating: 88.376))
    let shifted = shift.addingProduct(clamped, Lanes(repeating: 1.442_695_04))
    let n = shifted - shift
    let r = clamped.addingProduct(n, Lanes(repeating: -0.693_359_375)).addingProduct(n, Lanes(repeating: 2.121_944_4e-4))
    var p = Lanes(repeating: 1.987_569_15e-4)
    p = Lanes(repeating: 1.398_199_95e-3).addingProduct(p, r)
    p = Lanes(repeating: 8.333_451_9e-3).addingProduct(p, r)
    p = Lanes(repeating: 4.166_579_6e-2).addingProduct(p, r)
    p = Lanes(repeating: 1.666_666_55e-1).addingProduct(p, r)
    p = Lanes(repeating: 5.000_000_1e-1).addingProduct(p, r)
    let fraction = (r + 1).addingProduct(p, r * r)
    // shifted's bits end in n + 2^22 * 3; moving n + 127 into the exponent field multiplies by 2^n.
    let exponent = (unsafeBitCast(shifted, to: IntegerLanes.self) &+ IntegerLanes(repeating: 127)) &<< 23
    return fraction * unsafeBitCast(exponent, to: Lanes.self)
}

/// 1 / (1 + e^-x).
@inlinable @inline(__always)
package func logistic(_ x: Lanes) -> Lanes { 1 / (1 + exponential(-x)) }

/// tanh x: (1 - e) / (1 + e) with e = e^-2|x|, and for |x| < 0.625, where that cancels, Cephes' odd polynomial.
///
/// Transparent, since the compiler takes it for too large to be inlined, and a call would pass vectors in halves.
@usableFromInline @_transparent
package func hyperbolicTangent(_ x: Lanes) -> Lanes {
    let signBit = IntegerLanes(repeating: Int32.min)
    let bits = unsafeBitCast(x, to: IntegerLanes.self)
    let magnitude = unsafeBitCast(bits & ~signBit, to: Lanes.self)
    let e = exponential(magnitude * -2)
    let far = unsafeBitCast(unsafeBitCast((1 - e) / (1 + e), to: IntegerLanes.self) | (bits & signBit), to: Lanes.self)
    let z = x * x
    var p = Lanes(repeating: -5.704_988_7e-3)
    p = Lanes(repeating: 2.063_908_9e-2).addingProduct(p, z)
    p = Lanes(repeating: -5.373_971_6e-2).addingProduct(p, z)
    p = Lanes(repeating: 1.333_144_2e-1).addingProduct(p, z)
    p = Lanes(repeating: -3.333_328_2e-1).addingProduct(p, z)
    let near = x.addingProduct(p * z, x)
    return far.replacing(with: near, where: magnitude .< 0.625)
}

/// The square root of numbers >= 0, within 1 unit in the last place. `SIMD8.squareRoot()` compiles to calls of `sqrtf`.
///
/// Newton's iteration for 1 / sqrt(x), from an estimate made of halved exponent bits (Lomont 2003), then one step on
/// x / sqrt(x). Free of divisions, so that 0 gives 0.
@inlinable @inline(__always)
package func squareRoot(_ x: Lanes) -> Lanes {
    let estimate = IntegerLanes(repeating: 0x5F37_5A86) &- (unsafeBitCast(x, to: IntegerLanes.self) &>> 1)
    var y = unsafeBitCast(estimate, to: Lanes.self)
    let half = x * 0.5
    for _ in 0..<3 { y *= 1.5 - half * y * y }
    let root = x * y
    return root.addingProduct(y * 0.5, x - root * root)
}
