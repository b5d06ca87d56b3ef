import Randomness

/// The embedded corpus: worked kinematics problems in English, drawn from `KinematicsTemplates`. The same bytes for
/// the same seed on every machine; no problem occurs twice, so that none of validation or test was trained on.
public struct KinematicsSample: Sendable {
    /// How many problems one sample may have: few enough that fresh ones are always found quickly.
    public static let permittedCount = 10...100_000

    /// Each ends in an empty line. Ten in a row go 8 to train, 1 to valid, 1 to test.
    private let problems: [String]

    /// - Throws: `KinematicsError.countOutside`.
    public init(problems count: Int = 4000, seed: UInt64 = 1) throws {
        guard KinematicsSample.permittedCount ~= count else { throw KinematicsError.countOutside(count) }
        var draw = Draw(seed: seed)
        var seen = Set<String>()
        var problems: [String] = []
        while problems.count < count {
            let problem = KinematicsTemplates.all[draw.index(below: KinematicsTemplates.all.count)](&draw)
            if seen.insert(problem).inserted { problems.append(problem + "\n\n") }
        }
        self.problems = problems
    }

    public func text(of split: Split) -> String {
        problems.enumerated().lazy.filter { index, _ in
            switch index % 10 {
            case 8: split == .valid
            case 9: split == .test
            default: split == .train
            }
        }.map(\.element).joined()
    }
}

/// A number as it is printed: arithmetic goes on with the printed value, so that every line of an answer can be
/// checked from what it says.
struct Decimal {
    let text: String
    let value: Double

    /// `units / 10^places`, for instance 25 and 1 for "2.5". Not negative.
    init(_ units: Int, places: Int) {
        let scale = Decimal.powers[places]
        let fraction = String(scale + units % scale).dropFirst()
        text = places == 0 ? "\(units)" : "\(units / scale).\(fraction)"
        value = Double(units) / Double(scale)
    }

    /// Rounded to so many places, halves upwards: nudged, since 7.1 * 1.5 is just below 10.65 in binary. IEEE
    /// arithmetic and square roots only: the same everywhere.
    init(rounding value: Double, places: Int) {
        self.init(Int((value * Double(Decimal.powers[places]) + 1e-6).rounded()), places: places)
    }

    private static let powers = [1, 10, 100, 1000]
}

extension Decimal: CustomStringConvertible {
    var description: String { text }
}

/// Seeded choices.
struct Draw {
    private var random: PhiloxSequence

    init(seed: UInt64) { random = PhiloxSequence(seed: seed, purpose: .corpus) }

    /// `Int.random(in:using:)` may change with the standard library.
    mutating func index(below count: Int) -> Int { Int(random.uniform() * Double(count)) }

    mutating func one<Element>(of choices: [Element]) -> Element { choices[index(below: choices.count)] }

    /// A decimal from a range given in units of its last place.
    mutating func number(_ units: ClosedRange<Int>, places: Int = 1) -> Decimal {
        Decimal(units.lowerBound + index(below: units.count), places: places)
    }
}
