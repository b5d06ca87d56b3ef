/// The cutoffs that `model.softmax.cutoffs: auto` stands for.
///
/// Among all cutoffs for which no frequent token has a narrow vector, those with the fewest multiply-adds of a prediction,
///
///     (H + e) (c_1 + n) + sum over tails i = 1 ... n of  p_i (P_i H + (P_i + e) (c_{i+1} - c_i))
///
/// where p_i is the share of the training text that lies in tail i and c_{n+1} = V (Grave et al. 2017, section 4); e = 16 stands for
/// a class's exponential. A token is too frequent for tail i if it occurs more than f / d^(i-1) times, d the divisor, f a
/// 50,000th of the text or 40, if that is more. A tail is not narrower than 8 values, the first one excepted. Cutoffs have two
/// significant digits. Of equal ones, those with fewer tails, then the smaller.
package struct AdaptiveCutoffs {
    /// The most occurrences of a token in the first tail, in a text of this length.
    package static func frequent(tokens: Int) -> Double { max(Double(tokens) / 50_000, 40) }
    package static let narrowest = 8
    package static let exponential = 16

    /// Places where a tail may begin, and the vocabulary's end.
    private let places: [Int]
    /// Occurrences of the ids below each place.
    private let below: [Int]
    /// For each tail, the first of `places` where it may begin.
    private let first: [Int]
    private let projections: [Int]
    /// H.
    private let width: Int

    /// - Parameters:
    ///   - counts: how often each id occurs in the training text.
    ///   - width: H, of what the head reads.
    package init(counts: [Int], width: Int, divisor: Double) {
        let vocabulary = counts.count
        let places = AdaptiveCutoffs.places(below: vocabulary) + [vocabulary]
        var below: [Int] = []
        var total = 0
        var next = 0
        for place in places {
            for id in next..<place { total += counts[id] }
            next = place
            below.append(total)
        }
        let tails = (2...16).first { AdaptiveSoftmax.projections(width: width, divisor: divisor, tails: $0).last! < AdaptiveCutoffs.narrowest } ?? 17
        projections = AdaptiveSoftmax.projections(width: width, divisor: divisor, tails: tails - 1)
        var limit = AdaptiveCutoffs.frequent(tokens: total)
        first = projections.map { _ in
            let frequent = counts.lastIndex { Double($0) > limit }.map { $0 + 1 } ?? 0
            limit /= divisor
            return places.firstIndex { $0 >= frequent }!
        }
        (self.places, self.below, self.width) = (places, below, width)
    }

    /// 1, 2, ..., 99, 100, 110, ..., 990, 1000, 1100, ...
    private static func places(below vocabulary: Int) -> [Int] {
        var places = Array(1..<max(1, min(100, vocabulary)))
        var step = 10
        while step * 10 < vocabulary {
            places += stride(from: step * 10, to: min(step * 100, vocabulary), by: step)
            step *= 10
        }
        return places
    }

    /// - Returns: nil where nothing costs less than the full softmax.
    package var best: [Int]? {
        let full = Double(width + AdaptiveCutoffs.exponential) * Double(places.last!)
        var best: (cost: Double, cutoffs: [Int])?
        for tails in 1...projections.count {
            guard let found = cheapest(tails), found.cost < best?.cost ?? full else { continue }
            best = found
        }
        return best?.cutoffs
    }

    /// The cheapest with this number of tails, from the last one down: what lies beyond a cutoff costs the same whatever lies below.
    private func cheapest(_ tails: Int) -> (cost: Double, cutoffs: [Int])? {
        let (end, total) = (places.count - 1, Double(below.last!))
        // Of the tails from `tail` on, if the first of them begins at a place; and where the next one then begins.
        var costs = places.indices.map { $0 == end ? 0 : Double.infinity }
        var choices: [[Int]] = []
        for tail in (0..<tails).reversed() {
            var (sums, nexts) = (places.map { _ in Double.infinity }, places.map { _ in end })
            for place in places.indices where place >= first[tail] {
                for next in places.indices where next > place && costs[next] < .infinity {
                    let share = Double(below[next] - below[place]) / total
                    let (projection, classes) = (projections[tail], places[next] - places[place])
                    let products = projection * width + (projection + AdaptiveCutoffs.exponential) * classes
                    let cost = share * Double(products) + costs[next]
                    if cost < sums[place] { (sums[place], nexts[place]) = (cost, next) }
                }
            }
            costs = sums
            choices.insert(nexts, at: 0)
        }
        let sums = places.indices.map { Double(width + AdaptiveCutoffs.exponential) * Double(places[$0] + tails) + costs[$0] }
        guard let start = sums.indices.min(by: { sums[$0] < sums[$1] }), sums[start] < .infinity else { return nil }
        var cutoffs: [Int] = []
        var place = start
        for choice in choices {
            cutoffs.append(places[place])
            place = choice[place]
        }
        return (sums[start], cutoffs)
    }
}
