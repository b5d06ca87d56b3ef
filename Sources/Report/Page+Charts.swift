import Glibc
import Reporting

/// The charts of a page.
extension Page {
    var charts: [HTML] {
        let others = [accuracy, learningRate, gradientNorm, clipped, throughput, exchange, memory, gradientFlow, gradientHalfLife]
        return (LossMeasure.allCases.map(losses) + others).compactMap { $0?.html }
    }

    /// What the x axis shows.
    private var across: String { "\(noun) trained" }
    /// What the runs have trained.
    private var noun: String { measure?.noun ?? "predictions" }

    /// One line for each run that has values.
    private func lines(_ style: Series.Style, _ value: (TrainingRecord) -> Double?) -> [Series] {
        runs.enumerated().compactMap { index, run in
            let points = run.trained(value)
            return points.isEmpty
                ? nil : Series(name: runs.count > 1 ? run.name : "", colour: index, style: style, points: points)
        }
    }

    private func values(_ series: [Series]) -> [Double] { series.flatMap { $0.points.map(\.y) } }

    private func scale(x series: [Series]) -> Scale {
        Scale(linear: series.flatMap { $0.points.map(\.x) }, includingZero: true, isTight: true)
    }

    private var resumptions: [Double] { runs.count == 1 ? runs[0].resumptions : [] }

    /// The losses in training and validation of the runs whose losses measure this. Perplexity and loss of tokens share one curve: the left
    /// scale is logarithmic, and the right scale is its logarithm. So do the mean squared error of values and its root.
    private func losses(_ measure: LossMeasure) -> Chart? {
        let isAlone = runs.count == 1
        let own = runs.enumerated().filter { $0.element.measure == measure }
        func value(_ loss: Double) -> Double { measure.perplexity(loss) ?? loss }
        var series: [Series] = []
        for (index, run) in own {
            func add(_ name: String, colour: Int, _ style: Series.Style, _ points: [Series.Point]) {
                if points.contains(where: { $0.y.isFinite }) {
                    series.append(
                        Series(name: isAlone ? name : "\(run.name), \(name)", colour: colour, style: style, points: points))
                }
            }
            add("training", colour: index, isAlone ? .line : .faint, run.trained { value($0.loss) })
            add("validation", colour: isAlone ? 1 : index, .dots, run.validated { value($0.loss) })
        }
        let y = measure == .labels ? Scale(linear: values(series), includingZero: true) : Scale(logarithmic: values(series))
        guard !series.isEmpty, let y else { return nil }
        var chart = Chart(
            name: "loss", title: "Loss", axis: measure.unit, x: scale(x: series), y: y, across: across, isWide: true, series: series,
            resumptions: resumptions)
        switch measure {
        case .tokens:
            (chart.name, chart.title, chart.axis) = ("perplexity", "Perplexity and loss", "perplexity")
            chart.right = ("loss, \(measure.unit)", y.logarithm)
            chart.highlight = best(of: own) { (value($0), Formatting.perplexity(value($0))) }
        case .labels: break
        case .values:
            (chart.name, chart.title) = ("error", "Error")
            chart.right = ("its root", y.root)
            chart.highlight = best(of: own) { ($0, Formatting.significant($0, digits: 4)) }
        }
        return chart
    }

    /// The point of the best validation of these runs.
    /// - Parameter shown: of its loss, what is drawn and what is written.
    private func best(
        of runs: [(offset: Int, element: Run)], _ shown: (Double) -> (value: Double, text: String)
    ) -> (point: Series.Point, colour: Int, text: String)? {
        let best = runs.compactMap { index, run in run.best.map { (index, run, $0) } }.min { $0.2.loss < $1.2.loss }
        return best.map { index, run, record in
            let (value, text) = shown(record.loss)
            return (
                Series.Point(x: run.tokens(atStep: record.step), y: value, step: record.step), self.runs.count == 1 ? 1 : index, "best \(text)"
            )
        }
    }

    /// Of labels, in validations.
    private var accuracy: Chart? {
        let series = runs.enumerated().compactMap { index, run -> Series? in
            let points = run.validated { 100 * ($0.accuracy ?? .nan) }
            return points.contains { $0.y.isFinite }
                ? Series(name: runs.count > 1 ? run.name : "", colour: runs.count > 1 ? index : 1, style: .dots, points: points) : nil
        }
        guard !series.isEmpty else { return nil }
        let best = runs.enumerated().compactMap { index, run in run.best.flatMap { record in record.accuracy.map { (index, run, record, $0) } } }
            .max { $0.3 < $1.3 }
        return Chart(
            name: "accuracy", title: "Accuracy in validation", axis: "% of the labels", x: scale(x: series),
            y: Scale(linear: values(series), includingZero: false), unit: "%", across: across, series: series, resumptions: resumptions,
            highlight: best.map { index, run, record, accuracy in
                (
                    point: Series.Point(x: run.tokens(atStep: record.step), y: 100 * accuracy, step: record.step),
                    colour: runs.count > 1 ? index : 1, text: "best \(Formatting.fixed(100 * accuracy, decimals: 2)) %"
                )
            })
    }

    private var learningRate: Chart? {
        let series = lines(.line) { $0.learningRate }
        guard !series.isEmpty else { return nil }
        let positive = values(series).filter { $0 > 0 }
        let wide = (positive.max() ?? 1) / (positive.min() ?? 1) > 8 ? Scale(logarithmic: positive) : nil
        return Chart(
            name: "learning-rate", title: "Learning rate", axis: "learning rate", x: scale(x: series),
            y: wide ?? Scale(linear: values(series), includingZero: true), across: across, series: series)
    }

    private var gradientNorm: Chart? {
        let series = lines(runs.count == 1 ? .line : .faint) { $0.gradientNorm }
        let thresholds = Set(runs.map { $0.setting("training.clip.norm").flatMap(Double.init) })
        let threshold = thresholds.count == 1 ? thresholds.first! : nil
        guard let y = Scale(logarithmic: values(series) + (threshold.map { [$0] } ?? [])) else { return nil }
        return Chart(
            name: "gradient-norm", title: "Gradient norm before clipping", axis: "L2 norm", x: scale(x: series), y: y,
            across: across, series: series, levels: threshold.map { [($0, "clipped above \(Label.number($0))")] } ?? [])
    }

    private var clipped: Chart? {
        let series = lines(.line) { $0.clippedShare.map { 100 * $0 } }
        guard values(series).contains(where: { $0 > 0 }) else { return nil }
        return Chart(
            name: "clipped", title: "Clipped steps", axis: "% of the steps since the last record", x: scale(x: series),
            y: Scale(linear: values(series), includingZero: true), unit: "%", across: across, series: series)
    }

    private var throughput: Chart? {
        let series = lines(.line) { $0.tokensPerSecond }
        guard !series.isEmpty else { return nil }
        return Chart(
            name: "throughput", title: "Throughput", axis: "\(noun)/s, all ranks", x: scale(x: series),
            y: Scale(linear: values(series), includingZero: true), across: across, series: series, resumptions: resumptions)
    }

    /// Shown only if a run has more than one rank.
    private var exchange: Chart? {
        let series = lines(.line) { $0.cost.map { 100 * $0.exchangeShare } }
        guard runs.contains(where: { $0.history.starts.contains { $0.ranks > 1 } }), !series.isEmpty else { return nil }
        return Chart(
            name: "exchange", title: "Waiting and exchange", axis: "% of rank 0's time in steps", x: scale(x: series),
            y: Scale(linear: values(series), includingZero: true), unit: "%", across: across, series: series)
    }

    private var memory: Chart? {
        let most = runs.flatMap { $0.history.training.compactMap { $0.cost?.peakMemory ?? $0.cost?.memory } }.max() ?? 0
        let (unit, size) = most < 1 << 31 ? ("MiB", 0x1p20) : ("GiB", 0x1p30)
        var series: [Series] = []
        for (suffix, style, value) in [
            ("resident", .line, { $0.memory }), ("peak", .dashed, { $0.peakMemory }),
        ] as [(String, Series.Style, (StepCost) -> Int?)] {
            series += lines(style) { $0.cost.flatMap(value).map { Double($0) / size } }.map {
                var line = $0
                line.name = line.name.isEmpty ? suffix : "\(line.name), \(suffix)"
                return line
            }
        }
        guard !series.isEmpty else { return nil }
        return Chart(
            name: "memory", title: "Memory of rank 0", axis: unit, x: scale(x: series),
            y: Scale(linear: values(series), includingZero: true), unit: unit, across: across, series: series)
    }
}
