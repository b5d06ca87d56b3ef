import Glibc
import Testing

@testable import Report

@Suite struct ScaleTests {
    @Test func linearScalesEndAtTicks() {
        let scale = Scale(linear: [3, 97])
        #expect(scale.lower == 0 && scale.upper == 100)
        #expect(scale.ticks == [0, 20, 40, 60, 80, 100])
        #expect(scale.place(25) == 0.25)
        #expect(scale.place(-1) == 0 && scale.place(101) == 1)
    }

    @Test func tightScalesEndAtTheValues() {
        let scale = Scale(linear: [700, 12_530_000], includingZero: true, isTight: true)
        #expect(scale.lower == 0 && scale.upper == 12_530_000)
        #expect(scale.ticks == [0, 2_500_000, 5_000_000, 7_500_000, 10_000_000, 12_500_000])
    }

    @Test func logarithmicPlaces() throws {
        let scale = try #require(Scale(logarithmic: [1, 10000, -3, 0, .nan, .infinity]))
        let places = try [1, 10, 100, 1000, 10000].map { try #require(scale.place($0)) }
        for i in 1..<4 { #expect(abs(places[i + 1] - places[i] - (places[i] - places[i - 1])) < 1e-12) }
        #expect(places[0] > 0 && places[4] < 1)
        #expect(scale.place(0) == nil && scale.place(-1) == nil && scale.place(.nan) == nil)
        #expect(Scale(logarithmic: [0, -1, .nan]) == nil)
    }

    /// The natural logarithm of each value has its place.
    @Test func theLogarithmsScale() throws {
        let scale = try #require(Scale(logarithmic: [20, 400]))
        let nats = scale.logarithm
        for value in [20.0, 55, 400] { #expect(abs(nats.place(log(value))! - scale.place(value)!) < 1e-12) }
        #expect(nats.ticks == [3, 4, 5, 6])
    }

    /// So has the square root.
    @Test func theRootsScale() throws {
        let scale = try #require(Scale(logarithmic: [0.0001, 0.25]))
        for value in [0.0001, 0.01, 0.25] { #expect(abs(scale.root.place(value.squareRoot())! - scale.place(value)!) < 1e-12) }
    }

    @Test(arguments: [
        ([92, 4500], [100, 200, 500, 1000, 2000, 5000]), ([1, 900], [1, 3, 10, 30, 100, 300, 1000]),
        ([0.15, 0.3], [0.15, 0.2, 0.25, 0.3]), ([1e-4, 1e12], [1e-4, 0.1, 100, 1e5, 1e8, 1e11]),
    ] as [([Double], [Double])])
    func logarithmicTicks(_ values: [Double], _ expected: [Double]) throws {
        let ticks = try #require(Scale(logarithmic: values)).ticks
        #expect(ticks.count == expected.count && zip(ticks, expected).allSatisfy { abs($0 - $1) < 1e-9 * $1 }, "\(ticks)")
    }

    /// For any values, a scale has a few ordered ticks within it, and positions from 0 to 1.
    @Test(arguments: [
        [], [0], [5], [-5], [1, 1], [1e308, -1e308], [1e100, -1e100], [.nan], [.infinity, 1], [1, 1 + 1e-15],
        [.leastNonzeroMagnitude, 2 * .leastNonzeroMagnitude], [1e15, 1e15 + 2], [-7, -7], [0.1, 0.3], [1e-100, 1e100], [1e-99, 1.0001e-99],
    ] as [[Double]])
    func anyValues(_ values: [Double]) {
        let scales = [
            Scale(linear: values), Scale(linear: values, includingZero: true), Scale(linear: values, includingZero: true, isTight: true),
        ] + [Scale(logarithmic: values), Scale(logarithmic: values)?.logarithm].compactMap { $0 }
        for scale in scales {
            #expect(scale.lower < scale.upper, "\(scale)")
            let ticks = scale.ticks
            #expect(ticks.count <= 14 && ticks == ticks.sorted() && Set(ticks).count == ticks.count, "\(scale): \(ticks)")
            for tick in ticks {
                #expect(tick.isFinite && 0...1 ~= scale.place(tick) ?? -1, "\(scale): \(ticks)")
                #expect(!Label.number(tick).isEmpty)
            }
            for value in values { #expect(0...1 ~= scale.place(value) ?? 0.5) }
        }
    }

    @Test(arguments: [
        (0, "0"), (0.25, "0.25"), (950, "950"), (7500, "7,500"), (20000, "20k"), (1_500_000, "1.5M"), (2e9, "2G"), (3e12, "3T"),
        (2e-5, "2·10⁻⁵"), (1e-10, "10⁻¹⁰"), (-1e-5, "-10⁻⁵"), (5e-4, "0.0005"), (1e20, "10²⁰"), (-2.5, "-2.5"), (0.001, "0.001"), (.infinity, "inf"),
    ] as [(Double, String)])
    func labels(_ value: Double, _ label: String) { #expect(Label.number(value) == label) }
}
