import Elementary

/// How far back the loss of one position reaches: the norms of dE_t/dh_{t-k}, and of dE_t/dc_{t-k} in an LSTM, by lag k, over many
/// positions t. docs/mathematics.md (56) to (58).
package struct GradientFlow: Sendable, Equatable, Codable {
    /// The states of one layer. A number that overflows is nil.
    package struct State: Sendable, Equatable, Codable {
        /// From 1, the lowest.
        package let layer: Int
        /// "h" or "c".
        package let name: String
        /// Of the norms by lag, from 0.
        package let median: [Double?]
        package let lowerQuartile: [Double?]
        package let upperQuartile: [Double?]
        /// Of the logarithm of the median, nats a step, from lag 1 on; nil where fewer than two medians are above zero.
        package let slope: Double?
        /// Steps in which the gradient halves; negative if it doubles in them; nil without a slope or with slope 0.
        package let halfLife: Double?

        private enum CodingKeys: String, CodingKey {
            case layer, name, median, slope
            case lowerQuartile = "lower_quartile"
            case upperQuartile = "upper_quartile"
            case halfLife = "half_life_tokens"
        }
    }

    /// The recurrent weights U of one gate, [H, H].
    package struct RecurrentWeights: Sendable, Equatable, Codable {
        /// From 1, the lowest.
        package let layer: Int
        /// As in "i"; empty in a layer of one.
        package let gate: String
        /// The largest absolute value of an eigenvalue.
        package let spectralRadius: Double
        /// The largest singular value.
        package let norm: Double

        package init(layer: Int, gate: String, spectralRadius: Double, norm: Double) {
            self.layer = layer
            self.gate = gate
            self.spectralRadius = spectralRadius
            self.norm = norm
        }

        private enum CodingKeys: String, CodingKey {
            case layer, gate, norm
            case spectralRadius = "spectral_radius"
        }
    }

    /// Positions measured at each lag, from 0. They get fewer where lines end, over which no gradient passes.
    package let positions: [Int]
    /// Mean over the positions, nats.
    package let loss: Double
    package let states: [State]
    package let recurrentWeights: [RecurrentWeights]

    package init(positions: [Int], loss: Double, states: [State], recurrentWeights: [RecurrentWeights]) {
        self.positions = positions
        self.loss = loss
        self.states = states
        self.recurrentWeights = recurrentWeights
    }

    private enum CodingKeys: String, CodingKey {
        case positions, loss, states
        case recurrentWeights = "recurrent_weights"
    }

    /// The largest lag.
    package var lags: Int { max(0, positions.count - 1) }
}

extension GradientFlow.State {
    /// - Parameter norms: by lag, of each position.
    package init(layer: Int, name: String, norms: [[Double]]) {
        func quantile(_ share: Double) -> [Double?] {
            norms.map { norms in
                let sorted = norms.sorted()
                guard !sorted.isEmpty else { return nil }
                let place = share * Double(sorted.count - 1)
                let (low, rest) = (Int(place), place - place.rounded(.down))
                let value = rest == 0 ? sorted[low] : sorted[low] * (1 - rest) + sorted[low + 1] * rest
                return value.isFinite ? value : nil
            }
        }
        self.layer = layer
        self.name = name
        (median, lowerQuartile, upperQuartile) = (quantile(0.5), quantile(0.25), quantile(0.75))
        slope = Self.slope(median)
        halfLife = slope.flatMap { $0 == 0 ? nil : -GradientFlow.halving / $0 }
    }

    /// That of the line through (k, ln median) with the least squares, from lag 1 on.
    private static func slope(_ medians: [Double?]) -> Double? {
        let points = medians.enumerated().dropFirst().compactMap { lag, median -> (x: Double, y: Double)? in
            guard let median, median > 0 else { return nil }
            return (Double(lag), Elementary.logarithm(median))
        }
        guard points.count > 1 else { return nil }
        let count = Double(points.count)
        let (x, y) = (points.reduce(0) { $0 + $1.x } / count, points.reduce(0) { $0 + $1.y } / count)
        let products = points.reduce((xx: 0.0, xy: 0.0)) { sum, point in
            (sum.xx + (point.x - x) * (point.x - x), sum.xy + (point.x - x) * (point.y - y))
        }
        return products.xy / products.xx
    }

    /// As in "layer 2, c".
    package var text: String { "layer \(layer), \(name)" }
}

extension GradientFlow {
    /// One sentence: whether the gradient vanishes, holds or explodes where it reaches furthest.
    package var meaning: String {
        let reaching = states.filter { $0.slope != nil }.max { ($0.slope ?? 0) < ($1.slope ?? 0) }
        guard let best = reaching, let slope = best.slope, lags > 1, best.median.count > lags else {
            return "No gradient passes from a step to the one before: the network learns from the current token alone."
        }
        let place = states.count == 1 ? "" : " (in \(best.text), where it reaches furthest)"
        let (first, last) = (best.median[1], best.median[lags])
        guard let first, let last else {
            return "The gradient explodes\(place): within \(lags) tokens it exceeds single precision. Make the recurrent weights smaller; clipping cannot repair such a step."
        }
        let left = first > 0 ? last / first : 0
        let steps = Formatting.significant(Self.halving / abs(slope), digits: 2)
        if left > 2 {
            return "The gradient explodes\(place): it doubles every \(steps) tokens, and \(lags) tokens back it is \(Self.factor(left)) times what it is one token back. Clip it, or make the recurrent weights smaller."
        }
        let share = "\(Formatting.significant(100 * left, digits: 2)) %"
        if left < 0.01 {
            let reach = Formatting.significant(Elementary.logarithm(100) / abs(slope), digits: 2)
            return "The gradient vanishes\(place): it halves every \(steps) tokens, so that what lies more than \(reach) tokens back changes the weights by less than 1 % of what the last token does."
        }
        return "The gradient holds\(place): \(share) of it is left \(lags) tokens back\(slope < 0 ? ", it halves every \(steps) tokens" : "")."
    }

    /// With a separator where `%g` would write an exponent, as long as that is short.
    private static func factor(_ value: Double) -> String {
        (100...1e6).contains(value) ? Formatting.count(Int(value.rounded())) : Formatting.significant(value, digits: 2)
    }

    /// What halves a norm, nats.
    fileprivate static let halving = Elementary.logarithm(2)
}

/// The gradient flow of a model after a step: one line of `metrics.jsonl`, or `gradient-flow.json` of a run.
package struct GradientFlowRecord: Sendable, Equatable, Codable {
    /// In a run folder, what `lockstep inspect --gradient-flow` found last.
    package static let fileName = "gradient-flow.json"

    package var step: Int
    package var epoch: Int
    package var flow: GradientFlow

    package init(step: Int, epoch: Int, flow: GradientFlow) {
        self.step = step
        self.epoch = epoch
        self.flow = flow
    }
}
