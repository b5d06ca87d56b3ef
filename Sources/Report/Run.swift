import Glibc
import Reporting

/// One run, as a page shows it.
package struct Run: Sendable {
    package var name: String
    /// All settings, in order; empty when the configuration is not known.
    package var configuration: [(path: String, value: String)]
    package var history: MetricsHistory

    package init(name: String, configuration: [(path: String, value: String)], history: MetricsHistory) {
        self.name = name
        self.configuration = configuration
        self.history = history
    }

    func setting(_ path: String) -> String? { configuration.first { $0.path == path }?.value }

    // MARK: Results

    var best: ValidationRecord? {
        let all = history.validation.filter { $0.loss.isFinite }
        return setting("validation.best") == "accuracy" ? all.first { $0.accuracy == all.compactMap(\.accuracy).max() } : all.min { $0.loss < $1.loss }
    }

    /// What its losses measure. Records of earlier versions have a perplexity of labels and values, too.
    var measure: LossMeasure {
        switch setting("model.output") {
        case "values": .values
        case "tags", "class": .labels
        case "next": .tokens
        default: history.validation.last?.measure ?? history.training.last?.measure ?? .tokens
        }
    }

    /// The median, because single records can be slow for reasons outside the run.
    var tokensPerSecond: Double? {
        let rates = history.training.map(\.tokensPerSecond).filter(\.isFinite).sorted()
        return rates.isEmpty ? nil : rates[rates.count / 2]
    }

    /// A validation record does not say how many tokens had been trained. Its step lies between the steps of the
    /// training records around it, and so do its tokens.
    func tokens(atStep step: Int) -> Double {
        let records = history.training
        guard let last = records.last else { return Double(step) }
        // The first record at or after the step.
        var (low, high) = (0, records.count)
        while low < high {
            let middle = (low + high) / 2
            if records[middle].step < step { low = middle + 1 } else { high = middle }
        }
        guard low < records.count else { return last.step == 0 ? 0 : Double(last.tokens) * Double(step) / Double(last.step) }
        let after = records[low]
        let before = low > 0 ? (step: records[low - 1].step, tokens: records[low - 1].tokens) : (step: 0, tokens: 0)
        guard after.step > before.step else { return Double(after.tokens) }
        let share = Double(step - before.step) / Double(after.step - before.step)
        return Double(before.tokens) + share * (Double(after.tokens) - Double(before.tokens))
    }

    // MARK: Series

    /// A value of each training record.
    func trained(_ value: (TrainingRecord) -> Double?) -> [Series.Point] {
        let points = history.training.map { Series.Point(x: Double($0.tokens), y: value($0) ?? .nan, step: $0.step) }
        return points.contains { $0.y.isFinite } ? points : []
    }

    /// A value of each validation.
    func validated(_ value: (ValidationRecord) -> Double) -> [Series.Point] {
        history.validation.map { Series.Point(x: tokens(atStep: $0.step), y: value($0), step: $0.step) }
    }

    /// Tokens trained at each resume.
    var resumptions: [Double] { history.starts.map(\.step).filter { $0 > 0 }.map(tokens(atStep:)) }

    // MARK: Phases

    /// Milliseconds that rank 0 spent in each phase of an average step; empty if the records are not plausible.
    var phases: [(name: String, milliseconds: Double)] {
        var seconds: [String: Double] = [:]
        var tokens = 0.0
        for record in history.training {
            guard let cost = record.cost, record.tokensPerSecond.isFinite else { continue }
            let sound = cost.phaseSeconds.filter { 0...1e9 ~= $0.value }
            seconds.merge(sound, uniquingKeysWith: +)
            tokens += record.tokensPerSecond * sound.values.reduce(0, +)
        }
        guard tokens > 0, tokens.isFinite, let last = history.training.last, last.step > 0 else { return [] }
        let tokensPerStep = Double(last.tokens) / Double(last.step)
        let phases = PhaseSection.inOrder(seconds.keys).map { ($0, 1000 * seconds[$0]! / tokens * tokensPerStep) }
        let total = phases.reduce(0) { $0 + $1.1 }
        return total > 0 && total.isFinite ? phases : []
    }
}
