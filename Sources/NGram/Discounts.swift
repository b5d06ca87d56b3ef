/// The discounts of one level (Chen and Goodman 1998, modified Kneser-Ney): what is taken from n-grams that were counted once,
/// twice, and more often, and given to those that were not seen. docs/mathematics.md (45).
package struct Discounts: Sendable, Equatable {
    /// D1, D2 and D3+.
    package let values: [Double]
    /// n1, n2, n3 and n4: how many n-grams were counted once, twice, three and four times.
    package let countsOfCounts: [Int]
    /// Whether the counts were too regular for the formula, and `fallback` was taken.
    package let areFallback: Bool

    /// KenLM's values for `--discount_fallback`.
    package static let fallback = [0.5, 1, 1.5]

    /// - Parameter counts: those of all n-grams of the level.
    init(_ counts: some Sequence<Int>) {
        var found = [Int](repeating: 0, count: 4)
        for count in counts where (1...4).contains(count) { found[count - 1] += 1 }
        countsOfCounts = found
        let n = found.map { Double($0) }
        let y = n[0] / (n[0] + 2 * n[1])
        let estimates = (1...3).map { j in Double(j) - Double(j + 1) * y * n[j] / n[j - 1] }
        // Without n-grams of each count there is nothing to estimate from; what is not in these bounds would be no discount.
        areFallback = found[..<3].contains(0) || !zip(1..., estimates).allSatisfy { (0...Double($0)).contains($1) }
        values = areFallback ? Discounts.fallback : estimates
    }

    /// `n1 = 7, n2 = 0, n3 = 1, n4 = 0`
    package var text: String { countsOfCounts.enumerated().map { "n\($0 + 1) = \($1)" }.joined(separator: ", ") }

    /// For an n-gram that was counted `count` times, at least once.
    @inline(__always)
    func discount(_ count: Int) -> Double { values[min(count, 3) - 1] }
}
