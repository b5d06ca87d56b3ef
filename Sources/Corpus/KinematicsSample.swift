import Randomness

/// The generated corpus: worked kinematics problems in English, drawn from `KinematicsTemplates`. The same bytes for
/// the same seed on every machine; no problem occurs twice, so validation and test contain no training problem.
package struct KinematicsSample: Sendable {
    /// The permitted number of problems: small enough that new ones are always found quickly.
    package static let permittedCount = 10...100_000

    /// Each ends in an empty line. Of ten in a row, eight are for training, one for validation, and one for test.
    private let problems: [String]

    /// - Throws: `KinematicsError.countOutside`.
    package init(problems count: Int = 4000, seed: UInt64 = 1) throws {
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

    package func text(of split: Split) -> String {
        problems.enumerated().lazy.filter { index, _ in
            switch index % 10 {
            case 8: split == .valid
            case 9: split == .test
            default: split == .train
            }
        }.map(\.element).joined()
    }
}

/// A number as printed: arithmetic continues with the printed value, so that every line of an answer can be
/// checked by itself.
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

    /// Rounded to `places` places, halves upwards; nudged, because 7.1 * 1.5 is just below 10.65 in binary. IEEE
    /// arithmetic and square roots only, so the same on every machine.
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
