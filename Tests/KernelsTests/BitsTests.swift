import Glibc
import Kernels
import Randomness
import Testing

/// The bits of what runs between the products. Another processor, compiler or library that gives others would break the
/// promise of docs/exactness.md, and must not go unnoticed.
@Suite struct BitsTests {
    private let values: Buffer = {
        let buffer = Buffer(count: 4093)  // whole blocks, whole vectors, and some left over
        var random = PhiloxSequence(seed: 1, purpose: .verification)
        for i in 0..<buffer.count { buffer.base[i] = Float(random.uniform() * 20 - 10) }
        return buffer
    }()

    private func fingerprint(_ bits: some Sequence<UInt32>) -> UInt64 {
        bits.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
    }

    private func fingerprint(of function: (Lanes) -> Lanes) -> UInt64 {
        withExtendedLifetime(values) {
            let result = Buffer(count: values.count)
            for (j, n) in LaneBlocks(values.count) { result.base.store(function(values.base.load(j)), j, n) }
            return fingerprint(result.elements.map(\.bitPattern))
        }
    }

    @Test func elementaryFunctions() {
        #expect(fingerprint(of: exponential) == 16_553_143_025_516_249_084)
        #expect(fingerprint(of: logistic) == 15_813_424_495_234_063_301)
        #expect(fingerprint(of: { hyperbolicTangent($0) }) == 12_522_360_189_095_617_065)
        #expect(fingerprint(of: { squareRoot($0 * $0) }) == 6_967_966_463_433_509_485)
    }

    @Test func sums() {
        let squares = sumOfSquares(values.base, count: values.count)
        #expect(squares.bitPattern == 4_683_894_210_314_887_168, "\(squares)")
        let (logits, bias) = (Buffer(count: values.count), Buffer(count: values.count))
        let gradient = Buffer(count: values.count)
        copy(values.base, to: logits.base, count: values.count)
        let loss = crossEntropyGradient(logits.base, bias: bias.base, biasGradient: gradient.base, count: values.count, target: 7)
        #expect(loss.bitPattern == 4_625_421_986_301_062_745, "\(loss)")
        #expect(fingerprint(gradient.elements.map(\.bitPattern)) == 10_034_555_161_077_067_936)
        // Against the same in double precision.
        let exact = log(values.elements.reduce(0.0) { $0 + exp(Double($1)) }) - Double(values.base[7])
        #expect(abs(loss - exact) < 1e-6 * exact)
    }

    /// Long sums of one sign lose nothing to their length.
    @Test func longSumsStayPrecise() {
        let ones = Buffer(count: 1 << 20)
        ones.fill(1.1)
        let exact = Double(Float(1.1)) * Double(Float(1.1)) * Double(ones.count)
        #expect(abs(sumOfSquares(ones.base, count: ones.count) - exact) < 1e-6 * exact)
    }
}
