import Configuration
import Diagnostics
import Recurrent
import Reporting

extension Softmax {
    /// The softmax that a configuration describes, for a vocabulary and a training text.
    /// - Parameters:
    ///   - model: what the softmax belongs to, as far as it is known.
    ///   - counts: how often each id occurs in the training text.
    /// - Throws: `UsageError` for cutoffs beyond the vocabulary, and where `auto` finds none.
    init(_ softmax: RunConfiguration.Softmax, for model: ModelConfiguration, counts: () -> [Int]) throws {
        switch softmax.name {
        case .full:
            self = .full
            return
        case .sampled:
            self = .sampled(SampledSoftmax(loss: softmax.loss, samples: softmax.samples, power: softmax.power, counts: counts()))
            return
        case .adaptive: break
        }
        let (width, counts) = (model.width(belowLayer: model.layers), counts())
        let cutoffs: [Int]
        switch softmax.cutoffs {
        case .each(let ids): cutoffs = ids
        case .auto:
            guard let best = AdaptiveCutoffs(counts: counts, width: width, divisor: softmax.divisor).best else {
                throw UsageError(
                    "no cutoffs make the adaptive softmax cheaper than the full one", location: "model.softmax.cutoffs",
                    expected: "many rare tokens, with ids in the order of frequency", found: "auto, for \(Formatting.count(model.vocabulary)) tokens",
                    remedy: "set model.softmax.name to full, or give cutoffs")
            }
            cutoffs = best
        }
        guard cutoffs.last! < model.vocabulary else {
            throw UsageError(
                "a tail without tokens", location: "model.softmax.cutoffs",
                expected: "ids below the vocabulary's size \(model.vocabulary)", found: "\(cutoffs.last!)",
                remedy: "leave it out, or set model.softmax.cutoffs to auto")
        }
        let adaptive = AdaptiveSoftmax(
            cutoffs: cutoffs, projections: AdaptiveSoftmax.projections(width: width, divisor: softmax.divisor, tails: cutoffs.count),
            vocabulary: model.vocabulary)
        let total = Double(counts.reduce(0, +))
        let shares = adaptive.tails(model.vocabulary).map { tail in Double(counts[tail].reduce(0, +)) / total }
        self = .adaptive(
            AdaptiveSoftmax(cutoffs: cutoffs, projections: adaptive.projections, vocabulary: model.vocabulary, shares: shares))
    }
}

extension AdaptiveSoftmax {
    /// The share of the training text that the head holds.
    private var headShare: Double { 1 - shares.reduce(0, +) }

    /// As in "76.8 % of the training text in the head, 15.9 % and 7.3 % in the tails".
    var sharesText: String {
        func percent(_ share: Double) -> String { "\(Formatting.fixed(100 * share, decimals: 1)) %" }
        let tails = shares.map(percent)
        let list = tails.count == 1 ? tails[0] : "\(tails.dropLast().joined(separator: ", ")) and \(tails.last!)"
        return "\(percent(headShare)) of the training text in the head, \(list) in the \(tails.count == 1 ? "tail" : "tails")"
    }

    /// A warning where the head holds much less of the text than other tokens would: ids that are not in the order of frequency.
    func warning(counts: [Int]) -> String? {
        let total = max(1, counts.reduce(0, +))
        let most = Double(counts.sorted(by: >).prefix(cutoffs[0]).reduce(0, +)) / Double(total)
        guard headShare < 0.9 * most else { return nil }
        func percent(_ share: Double) -> String { "\(Formatting.fixed(100 * share, decimals: 0)) %" }
        return "the ids are not in the order of frequency: the \(Formatting.count(cutoffs[0])) tokens of the adaptive softmax's head are \(percent(headShare)) of the training text, the most frequent ones would be \(percent(most)); it is slower and less accurate than it could be"
    }
}
