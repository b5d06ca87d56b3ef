/// Exponential, logarithm, power and cosine in double precision, from IEEE additions, multiplications, divisions and fused
/// multiply-adds in one written order, so that every processor and every C library gives the same bits.
///
/// The functions of glibc do not: glibc chooses a variant by the processor's instructions when a program starts, and another
/// version may round differently. Here each result is within about one unit in the last place; the tests have the exact bounds.
package enum Elementary {
    /// ln 2 in two parts. The first ends in enough zeros that an exponent times it is exact.
    private static let ln2 = (high: 0x1.62e42feep-1, low: 0x1.a39ef35793c76p-33)

    /// e^x; infinite above 709.78, 0 below -745.13. NaN stays NaN.
    ///
    /// Cody and Waite's reduction x = n ln 2 + r, |r| <= ln 2 / 2, then Taylor's series of e^r to degree 13.
    package static func exponential(_ x: Double) -> Double {
        if x.isNaN { return x }
        if x > 710 { return .infinity }
        if x < -746 { return 0 }
        let n = (x * 1.4426950408889634).rounded(.toNearestOrEven)
        let high = x.addingProduct(-n, ln2.high)
        let low = n * ln2.low
        let r = high - low
        // The part of r lost in the subtraction.
        let rest = (high - r) - low
        var p = 0.0
        for factorial in inverseFactorials { p = factorial.addingProduct(p, r) }
        // e^r = 1 + r + r^2 p; the small terms are added first.
        let tail = rest.addingProduct(r * r, p)
        return Double(sign: .plus, exponent: Int(n), significand: 1 + (r + tail))
    }

    /// 1/13!, 1/12!, ..., 1/2!
    private static let inverseFactorials: [Double] = (2...13).reversed().map { n in 1 / (1...n).reduce(1.0) { $0 * Double($1) } }

    /// ln x; -infinity for 0, NaN below.
    ///
    /// x = 2^k m with m in [sqrt(1/2), sqrt(2)), f = m - 1, s = f / (2 + f): ln m = f - (f^2/2 - s (f^2/2 + R)), where
    /// R = 2 s^2 (1/3 + s^2/5 + s^4/7 + ...) is what is left of the series of 2 artanh s (the arrangement of fdlibm's `log`).
    package static func logarithm(_ x: Double) -> Double {
        guard x > 0, x.isFinite else { return x == 0 ? -.infinity : x < 0 ? .nan : x }
        var (k, m) = (x.exponent, x.significand)
        if m > 1.4142135623730951 { (k, m) = (k + 1, m / 2) }
        let f = m - 1
        let s = f / (2 + f)
        let z = s * s
        var p = 0.0
        for odd in stride(from: 25.0, through: 3, by: -2) { p = (2 / odd).addingProduct(p, z) }
        let half = 0.5 * f * f
        let exponent = Double(k)
        // k times the low part of ln 2 is added to the small terms.
        let small = (exponent * ln2.low).addingProduct(s, half.addingProduct(z, p))
        return (exponent * ln2.high) - ((half - small) - f)
    }

    /// base^n for n >= 0, by squaring in twice the precision (Dekker 1971), so that many factors lose nothing.
    package static func power(_ base: Double, _ n: Int) -> Double {
        precondition(n >= 0)
        var (result, square, rest) = ((1.0, 0.0), (base, 0.0), n)
        while rest > 0 {
            if rest & 1 == 1 { result = product(result, square) }
            rest >>= 1
            if rest > 0 { square = product(square, square) }
        }
        return result.0 + result.1
    }

    private static func product(_ a: (Double, Double), _ b: (Double, Double)) -> (Double, Double) {
        let high = a.0 * b.0
        guard high.isFinite else { return (high, 0) }
        let low = (-high).addingProduct(a.0, b.0).addingProduct(a.0, b.1).addingProduct(a.1, b.0)
        let sum = high + low
        return (sum, low - (sum - high))
    }

    /// cos(pi x), the cosine of x half turns: exact at every multiple of a half.
    package static func cosine(halfTurns x: Double) -> Double {
        guard x.isFinite else { return .nan }
        // Into [0, 1]: the period is 2, and the cosine even.
        let turned = abs(x.remainder(dividingBy: 2))
        // cos(pi (1 - y)) = -cos(pi y), and cos(pi y) = sin(pi (1/2 - y)).
        let (y, sign) = turned > 0.5 ? (1 - turned, -1.0) : (turned, 1.0)
        return sign * (y <= 0.25 ? cosineSeries(.pi * y) : sineSeries(.pi * (0.5 - y)))
    }

    /// Taylor's series, for |x| <= pi / 4.
    private static func cosineSeries(_ x: Double) -> Double {
        let z = x * x
        var p = 1.0
        for n in stride(from: 16.0, through: 4, by: -2) { p = 1 - z * p / (n * (n - 1)) }
        return 1 - z * (0.5 * p)
    }

    private static func sineSeries(_ x: Double) -> Double {
        let z = x * x
        var p = 1.0
        for n in stride(from: 17.0, through: 3, by: -2) { p = 1 - z * p / (n * (n - 1)) }
        return x * p
    }
}
