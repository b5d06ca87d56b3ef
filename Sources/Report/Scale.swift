import Glibc
import Reporting

/// Maps values to positions along an axis, and chooses its ticks.
struct Scale: Equatable {
    let lower: Double
    let upper: Double
    let isLogarithmic: Bool

    /// Beyond these limits, values are indistinguishable in a picture and differences would overflow.
    private static let usable = -1e100...1e100
    private static let usableLogarithmic = 1e-100...1e100

    /// A linear scale, from tick to tick unless `isTight`.
    init(linear values: some Sequence<Double>, includingZero: Bool = false, isTight: Bool = false) {
        // A span too small to divide by counts as zero.
        var values = values.filter(Self.usable.contains).map { abs($0) < 1e-100 ? 0 : $0 }
        if includingZero || values.isEmpty { values.append(0) }
        var (low, high) = (values.min()!, values.max()!)
        if high - low <= max(abs(low), abs(high)) * 1e-9 {
            // A single value gets some room around it.
            let room = high == 0 ? 1 : abs(high) * 0.1
            if !includingZero || high < 0 { low -= room }
            if !includingZero || high >= 0 { high += room }
        }
        if isTight {
            (lower, upper) = (low, high)
        } else {
            let step = Self.step(from: low, to: high, count: 5)
            (lower, upper) = ((low / step).rounded(.down) * step, (high / step).rounded(.up) * step)
        }
        isLogarithmic = false
    }

    /// A logarithmic scale, on which only positive values have a position. Nil if there are none.
    init?(logarithmic values: some Sequence<Double>) {
        let values = values.filter(Self.usableLogarithmic.contains)
        guard let low = values.min(), let high = values.max() else { return nil }
        let margin = max(pow(high / low, 0.04), low == high ? 1.1 : 1.01)
        (lower, upper) = (low / margin, high * margin)
        isLogarithmic = true
    }

    private init(lower: Double, upper: Double, isLogarithmic: Bool) {
        self.lower = lower
        self.upper = upper
        self.isLogarithmic = isLogarithmic
    }

    /// The linear scale of the logarithm, with the same positions: nats beside a perplexity.
    var logarithm: Scale { Scale(lower: log(lower), upper: log(upper), isLogarithmic: false) }

    /// The logarithmic scale of the square root, with the same positions: the root of a mean squared error beside it.
    var root: Scale { Scale(lower: lower.squareRoot(), upper: upper.squareRoot(), isLogarithmic: true) }

    /// The position, from 0 at the lower end to 1 at the upper; nil if the value has none.
    func place(_ value: Double) -> Double? {
        guard (isLogarithmic ? Self.usableLogarithmic : Self.usable).contains(value) || lower...upper ~= value else { return nil }
        let place = isLogarithmic ? log(value / lower) / log(upper / lower) : (value - lower) / (upper - lower)
        return min(max(place, 0), 1)
    }

    // MARK: Ticks

    /// Round values within the scale, about five.
    var ticks: [Double] {
        guard isLogarithmic else { return linearTicks(count: 6) }
        let decades = log10(lower).rounded(.down)...log10(upper).rounded(.up)
        func ticks(_ digits: [Double]) -> [Double] {
            stride(from: decades.lowerBound, through: decades.upperBound, by: 1)
                .flatMap { decade in digits.map { $0 * pow(10, decade) } }
                .filter { lower...upper ~= $0 }
        }
        for digits in [[1, 2, 5], [1, 3]] as [[Double]] {
            let ticks = ticks(digits)
            if ticks.count < 4 { return linearTicks(count: 6) }
            if ticks.count <= 8 { return ticks }
        }
        // Many decades: each, every second, third, ...
        let powers = ticks([1])
        let every = (powers.count + 7) / 8
        return powers.enumerated().filter { $0.offset % every == 0 }.map(\.element)
    }

    private func linearTicks(count: Int) -> [Double] {
        let step = Self.step(from: lower, to: upper, count: count)
        let first = (lower / step - 1e-6).rounded(.up)
        return (0...2 * count).map { (first + Double($0)) * step }.filter { $0 <= upper + step * 1e-6 }
    }

    /// 1, 2, 2.5 or 5 times a power of ten, such that about `count` steps fit.
    private static func step(from lower: Double, to upper: Double, count: Int) -> Double {
        let least = (upper - lower) / Double(count)
        let power = pow(10, log10(least).rounded(.down))
        return ([1, 2, 2.5, 5].first { $0 * power >= least * (1 - 1e-9) } ?? 10) * power
    }
}

/// Numbers as axis labels.
enum Label {
    /// `0`, `0.25`, `950`, `7,500`, `20k`, `1.5M`, `2·10⁻⁵`.
    static func number(_ value: Double) -> String {
        let size = abs(value)
        switch size {
        case 0: return "0"
        case ..<1e-4, 1e15...: return scientific(value)
        case ..<1e4:
            let text = Formatting.significant(value, digits: 4)
            return size >= 1000 ? Formatting.count(Int(value.rounded())) : text
        default:
            let unit = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")].first { size >= $0.0 }!
            return Formatting.significant(value / unit.0, digits: 4) + unit.1
        }
    }

    private static func scientific(_ value: Double) -> String {
        // `%g` gives "2e-05", and "inf" for infinity.
        let parts = Formatting.significant(value, digits: 3).split(separator: "e")
        guard parts.count == 2, let exponent = Int(parts[1]) else { return parts.joined() }
        let digits: [Character] = ["⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"]
        let raised = (exponent < 0 ? "⁻" : "") + String(String(abs(exponent)).map { digits[$0.wholeNumberValue!] })
        let power = "10\(raised)"
        return parts[0] == "1" ? power : parts[0] == "-1" ? "-\(power)" : "\(parts[0])·\(power)"
    }
}
