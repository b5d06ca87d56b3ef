import Elementary
import Glibc
import Randomness
import Testing

/// Against the same functions in extended precision, and against themselves on another day or machine.
@Suite struct ElementaryTests {
    /// Distance in units of the last place of the exact value.
    private func error(_ found: Double, _ exact: Float80) -> Double {
        if exact == 0 { return found == 0 ? 0 : .infinity }
        return abs(Double((Float80(found) - exact) / Float80(Double(exact).ulp)))
    }

    private func draws(_ range: ClosedRange<Double>, _ count: Int = 20_000) -> [Double] {
        var random = PhiloxSequence(seed: 1, purpose: .verification)
        return (0..<count).map { _ in range.lowerBound + random.uniform() * (range.upperBound - range.lowerBound) }
    }

    @Test(arguments: [-1.0...1, -30...30, -707...709]) func exponential(range: ClosedRange<Double>) {
        let worst = draws(range).map { error(Elementary.exponential($0), exp(Float80($0))) }.max()!
        #expect(worst < 1, "\(worst)")
    }

    @Test func exponentialAtItsEnds() {
        for (x, y) in [(0.0, 1.0), (-.infinity, 0), (.infinity, .infinity), (800, .infinity), (-800, 0)] {
            #expect(Elementary.exponential(x) == y)
        }
        #expect(Elementary.exponential(.nan).isNaN)
        #expect(Elementary.exponential(709.78).isFinite && Elementary.exponential(709.79) == .infinity)
        // Where the result has fewer digits.
        #expect(abs(Elementary.exponential(-740) - exp(-740)) <= Double.leastNonzeroMagnitude)
    }

    @Test(arguments: [0.5...2.0, 1e-9...1e-3, 1...1e300, 0.99...1.01]) func logarithm(range: ClosedRange<Double>) {
        let worst = draws(range).map { error(Elementary.logarithm($0), log(Float80($0))) }.max()!
        #expect(worst < 1, "\(worst)")
    }

    @Test func logarithmAtItsEnds() {
        #expect(Elementary.logarithm(1) == 0 && Elementary.logarithm(0) == -.infinity && Elementary.logarithm(.infinity) == .infinity)
        #expect(Elementary.logarithm(-1).isNaN && Elementary.logarithm(.nan).isNaN)
        #expect(abs(Elementary.logarithm(.leastNonzeroMagnitude) - log(.leastNonzeroMagnitude)) < 1e-12)
    }

    /// Adam's corrections and schedules: factors near 1, many times.
    @Test(arguments: [0.9, 0.999, Double(Float(0.999)), 0.8333, 1.5, 0]) func power(base: Double) {
        for n in [0, 1, 2, 3, 7, 100, 999, 5000] {
            let exact = pow(Float80(base), Float80(n))
            // Below 1e-290 the second number of the pair has no room for all its digits.
            if exact == 0 || exact > 1e-290, exact < 1e308 { #expect(error(Elementary.power(base, n), exact) <= 0.51, "\(base)^\(n)") }
        }
        #expect(Elementary.power(0.999, 100_000_000) == 0 && Elementary.power(2, 5000) == .infinity)
    }

    @Test func cosine() {
        // The angle in extended precision, whose pi has eleven bits more.
        let worst = draws(-3...3).map { x in
            abs(Elementary.cosine(halfTurns: x) - Double(cos(Float80.pi * Float80(x))))
        }.max()!
        #expect(worst < 1.2e-16 * 2, "\(worst)")
        for (x, y) in [(0.0, 1.0), (0.5, 0), (1, -1), (1.5, 0), (2, 1), (-1, -1), (1e15 + 1, -1)] {
            #expect(Elementary.cosine(halfTurns: x) == y)
        }
        #expect(Elementary.cosine(halfTurns: .infinity).isNaN)
    }

    /// The bits themselves: another processor, compiler or library that gives others must not go unnoticed.
    @Test func theBitsAreTheSameEverywhere() {
        func fingerprint(_ values: [Double]) -> UInt64 {
            values.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ $1.bitPattern) &* 0x0000_0100_0000_01B3 }
        }
        let x = draws(-20...20, 4096)
        #expect(fingerprint(x.map(Elementary.exponential)) == 14_553_354_842_894_511_244)
        #expect(fingerprint(x.map { Elementary.logarithm(abs($0)) }) == 1_910_637_837_412_928_447)
        #expect(fingerprint(x.map { Elementary.cosine(halfTurns: $0) }) == 2_865_488_851_309_398_604)
        #expect(fingerprint((0..<4096).map { Elementary.power(0.999, $0) }) == 5_526_189_739_882_124_358)
    }
}
