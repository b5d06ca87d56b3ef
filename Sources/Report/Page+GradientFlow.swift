import Reporting

/// The charts of how far back the gradient reaches.
extension Page {
    /// By lag, after the last measurement of each run; of a run alone, beside the first one, or with the spread over positions.
    var gradientFlow: Chart? {
        let series = runs.enumerated().flatMap { index, run -> [Series] in
            guard let last = run.history.gradientFlow.last else { return [] }
            let first = run.history.gradientFlow[0]
            let all = last.flow.states.enumerated().flatMap { place, state -> [Series] in
                let colour = runs.count == 1 ? place : index
                let name = runs.count == 1 ? state.text : "\(run.name), \(state.text)"
                func line(_ name: String, _ style: Series.Style, _ values: [Double?], _ step: Int) -> Series {
                    Series(
                        name: name, colour: colour, style: style,
                        points: values.enumerated().map { Series.Point(x: Double($0.offset), y: $0.element ?? .nan, step: step) })
                }
                let own = line(name, state.name == "c" && runs.count > 1 ? .dashed : .line, state.median, last.step)
                if runs.count > 1 { return [own] }
                if first.step < last.step {
                    let before = first.flow.states.first { $0.text == state.text }
                    return [own] + (before.map { [line("\(name), at step \(Formatting.count(first.step))", .faint, $0.median, first.step)] } ?? [])
                }
                return [own] + [state.lowerQuartile, state.upperQuartile].map { line("\(name), quartiles", .faint, $0, last.step) }
            }
            return all
        }
        let points = series.flatMap(\.points)
        guard let y = Scale(logarithmic: points.map(\.y)) else { return nil }
        let steps = Set(runs.compactMap { $0.history.gradientFlow.last?.step })
        let place = steps.count == 1 ? " at step \(Formatting.count(steps.first ?? 0))" : ""
        return Chart(
            name: "gradient-flow", title: "Gradient flow\(place)", axis: "norm of dE(t)/dh(t-k), dE(t)/dc(t-k), median over positions",
            x: Scale(linear: points.map(\.x), includingZero: true, isTight: true), y: y, across: "tokens back", series: series)
    }

    /// Over the run.
    var gradientHalfLife: Chart? {
        let series = runs.enumerated().flatMap { index, run -> [Series] in
            let records = run.history.gradientFlow
            guard records.count > 1, let last = records.last else { return [] }
            return last.flow.states.enumerated().map { place, state in
                Series(
                    name: runs.count == 1 ? state.text : "\(run.name), \(state.text)", colour: runs.count == 1 ? place : index,
                    style: state.name == "c" && runs.count > 1 ? .dashed : .line,
                    points: records.map { record in
                        let life = record.flow.states.first { $0.text == state.text }?.halfLife
                        return Series.Point(x: run.tokens(atStep: record.step), y: life ?? .nan, step: record.step)
                    })
            }
        }
        let points = series.flatMap(\.points)
        guard let y = Scale(logarithmic: points.map(\.y)) else { return nil }
        return Chart(
            name: "half-life", title: "Half-life of the gradient", axis: "tokens",
            x: Scale(linear: points.map(\.x), includingZero: true, isTight: true), y: y, series: series)
    }
}
