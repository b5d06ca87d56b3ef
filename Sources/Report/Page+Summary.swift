import Reporting

/// The results of a run as tiles, those of several runs as a table.
extension Page {
    private struct Fact {
        /// Of the table.
        enum Column: String, CaseIterable {
            case best = "best validation"
            case training = "last training"
            case amount = "trained"
            case time
            case speed = "speed, median"
        }
        /// Nil for what the table leaves out.
        var column: Column?
        var name: String
        var value: String
        var note = ""
    }

    var summary: HTML {
        if runs.count == 1 {
            let tiles = facts(runs[0]).map { fact -> HTML in
                "<div class=\"tile\"><p>\(fact.name)</p><strong>\(fact.value)</strong><p>\(fact.note)</p></div>\n"
            }
            return tiles.isEmpty ? "<p class=\"warning\">No records yet.</p>\n" : "<section class=\"tiles\">\(tiles)</section>\n"
        }
        let facts = runs.map(facts)
        let headings = Fact.Column.allCases.map { column -> HTML in
            let names = Set(facts.compactMap { $0.first { $0.column == column }?.name })
            return "<th>\(names.count == 1 ? names.first! : column.rawValue)</th>"
        }
        let rows = runs.enumerated().map { index, run -> HTML in
            let cells = Fact.Column.allCases.map { column -> HTML in
                guard let fact = facts[index].first(where: { $0.column == column }) else { return "<td></td>" }
                return "<td title=\"\(fact.name)\(fact.note.isEmpty ? "" : ": \(fact.note)")\">\(fact.value)</td>"
            }
            let parameters = run.history.starts.last.map { $0.parameters == 0 ? "" : Label.number(Double($0.parameters)) } ?? ""
            return """
                <tr><th scope="row">\(swatch(index))\(run.name)</th><td class="text">\(model(run))</td><td>\(parameters)</td>\(cells)</tr>

                """
        }
        return """
            <section id="summary" class="scroll"><table class="numbers"><thead><tr><th>run</th><th class="text">model</th>\
            <th>parameters</th>\(headings)</tr></thead><tbody>\(rows)</tbody></table></section>

            """
    }

    private func facts(_ run: Run) -> [Fact] {
        var facts = validations(run)
        guard let last = run.history.training.last else { return facts }
        if last.loss.isFinite { facts.append(training(last.loss, run.measure)) }
        facts += [
            Fact(
                column: .amount, name: "\(run.measure.noun) trained", value: Label.number(Double(last.tokens)),
                note: "\(Formatting.count(last.step)) steps, \(last.epoch) epoch\(last.epoch == 1 ? "" : "s")"),
            Fact(
                column: .time, name: "time", value: Formatting.duration(seconds: last.elapsedSeconds),
                note: "\(run.history.starts.count > 1 ? "in \(run.history.starts.count) sessions" : "")"),
        ]
        if let rate = run.tokensPerSecond {
            let ranks = run.history.starts.last.map { "\($0.ranks) rank\($0.ranks == 1 ? "" : "s")" }
            facts.append(Fact(column: .speed, name: "\(run.measure.noun)/s, median", value: Formatting.rate(rate), note: ranks ?? ""))
        }
        return facts
    }

    /// The best validation, the last one and what it was of.
    private func validations(_ run: Run) -> [Fact] {
        let last = run.history.validation.last
        var facts: [Fact] = []
        if let best = run.best { facts.append(validation("best", best, run.measure, .best)) }
        if let last, last != run.best, last.loss.isFinite { facts.append(validation("last", last, run.measure)) }
        if let last, let averaged = last.averagedSteps, averaged <= last.step {
            facts.append(
                Fact(
                    name: "weights averaged", value: "\(Formatting.count(averaged)) steps",
                    note: "since step \(Formatting.count(last.step - averaged))"))
        }
        return facts
    }

    /// The perplexity, the accuracy of labels or the mean squared error of values.
    private func validation(_ name: String, _ record: ValidationRecord, _ measure: LossMeasure, _ column: Fact.Column? = nil) -> Fact {
        let place = "step \(Formatting.count(record.step)), epoch \(record.epoch)"
        switch measure {
        case .tokens:
            return Fact(
                column: column, name: "\(name) validation perplexity", value: measure.perplexity(record.loss).map(Formatting.perplexity) ?? "",
                note: place)
        case .labels:
            let accuracy = record.accuracy.map { "\(Formatting.fixed(100 * $0, decimals: 2)) %" }
            return Fact(
                column: column, name: "\(name) validation accuracy", value: accuracy ?? "",
                note: "loss \(Formatting.fixed(record.loss, decimals: 4)), \(place)")
        case .values:
            return Fact(
                column: column, name: "\(name) validation error", value: Formatting.significant(record.loss, digits: 5),
                note: "\(root(record.loss)), \(place)")
        }
    }

    private func training(_ loss: Double, _ measure: LossMeasure) -> Fact {
        switch measure {
        case .tokens:
            Fact(
                column: .training, name: "last training perplexity", value: measure.perplexity(loss).map(Formatting.perplexity) ?? "",
                note: "\(Formatting.fixed(loss, decimals: 3)) \(measure.unit)")
        case .labels: Fact(column: .training, name: "last training loss", value: Formatting.fixed(loss, decimals: 4), note: measure.unit)
        case .values:
            Fact(column: .training, name: "last training error", value: Formatting.significant(loss, digits: 5), note: root(loss))
        }
    }

    private func root(_ error: Double) -> String { "mean squared, root \(Formatting.significant(error.squareRoot(), digits: 4))" }
}
