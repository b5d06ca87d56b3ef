import Reporting

/// One or several runs as a single HTML page that needs no other file and no network.
package struct Page {
    let runs: [Run]
    private let madeBy: String

    /// - Parameters:
    ///   - runs: at least one.
    ///   - madeBy: program and time, for the last line.
    package init(_ runs: [Run], madeBy: String) {
        precondition(!runs.isEmpty)
        self.runs = runs
        self.madeBy = madeBy
    }

    package var html: String {
        let page: HTML = """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>\(title) - lockstep</title>
            <style>\(Page.style)</style>
            </head>
            <body>
            <main>
            <header><p class="kind">Training report</p><h1>\(title)</h1>\(subtitle)</header>
            \(summary)\(cutShort)<section id="curves" class="charts">
            \(charts)</section>
            \(PhaseSection.section(runs.enumerated().map { ($0.element, $0.offset) }))\(samples)\(configuration)\(environment)<footer>\(madeBy)</footer>
            </main>
            <script>\(Page.script)</script>
            </body>
            </html>

            """
        return page.description
    }

    private var title: String { runs.map(\.name).joined(separator: ", ") }

    private var subtitle: HTML {
        guard runs.count == 1, let start = runs[0].history.starts.last else { return "" }
        let parameters = start.parameters == 0 ? "" : ", \(Formatting.count(start.parameters)) parameters"
        return "<p class=\"lead\">\(model(runs[0]))\(parameters), on \(Formatting.count(start.data.trainingTokens)) \(start.data.level) tokens of \(start.data.folder)</p>"
    }

    /// "lstm 2 x 200", "5-gram".
    func model(_ run: Run) -> String {
        if run.setting("model.cell") == "ngram", let order = run.setting("model.order") { return "\(order)-gram" }
        guard let cell = run.setting("model.cell"), let layers = run.setting("model.layers"),
            let hidden = run.setting("model.hidden")
        else { return "?" }
        let connections = run.setting("model.connections").map { $0 == "none" ? "" : " \($0)" } ?? ""
        let directions = run.setting("model.bidirectional") == "true" ? "bidirectional " : ""
        return "\(directions)\(cell) \(layers) × \(hidden)\(connections)"
    }

    private var cutShort: HTML {
        let names = runs.filter(\.history.isCutShort).map(\.name)
        return names.isEmpty
            ? "" : "<p class=\"warning\">The last record of \(names.joined(separator: ", ")) is incomplete and left out: the run is still going, or was cut short.</p>\n"
    }

    // MARK: Summary

    private struct Fact {
        var name: String
        var value: String
        var note = ""
    }

    private func facts(_ run: Run) -> [Fact] {
        let last = run.history.training.last
        let validation = run.history.validation.last
        var facts: [Fact] = []
        func percent(_ share: Double) -> String { "\(Formatting.fixed(100 * share, decimals: 2)) %" }
        if let best = run.best, let accuracy = best.accuracy {
            facts.append(
                Fact(name: "best validation accuracy", value: percent(accuracy),
                    note: "loss \(Formatting.fixed(best.loss, decimals: 4)), step \(Formatting.count(best.step)), epoch \(best.epoch)"))
        } else if let best = run.best, run.predictsValues {
            facts.append(
                Fact(name: "best validation error", value: Formatting.fixed(best.loss, decimals: 6),
                    note: "mean squared, step \(Formatting.count(best.step)), epoch \(best.epoch)"))
        } else if let best = run.best {
            facts.append(
                Fact(name: "best validation perplexity", value: Formatting.perplexity(best.perplexity),
                    note: "step \(Formatting.count(best.step)), epoch \(best.epoch)"))
        }
        if let validation, validation != run.best, validation.loss.isFinite, let accuracy = validation.accuracy {
            facts.append(
                Fact(name: "last validation accuracy", value: percent(accuracy),
                    note: "loss \(Formatting.fixed(validation.loss, decimals: 4)), step \(Formatting.count(validation.step)), epoch \(validation.epoch)"))
        } else if let validation, validation != run.best, validation.loss.isFinite, run.predictsValues {
            facts.append(
                Fact(name: "last validation error", value: Formatting.fixed(validation.loss, decimals: 6),
                    note: "mean squared, step \(Formatting.count(validation.step)), epoch \(validation.epoch)"))
        } else if let validation, validation != run.best, validation.loss.isFinite {
            facts.append(
                Fact(name: "last validation perplexity", value: Formatting.perplexity(validation.perplexity),
                    note: "step \(Formatting.count(validation.step)), epoch \(validation.epoch)"))
        }
        if let validation, let averaged = validation.averagedSteps, averaged <= validation.step {
            facts.append(
                Fact(name: "weights averaged", value: "\(Formatting.count(averaged)) steps",
                    note: "since step \(Formatting.count(validation.step - averaged))"))
        }
        if let last, last.loss.isFinite, run.predictsLabels {
            facts.append(Fact(name: "last training loss", value: Formatting.fixed(last.loss, decimals: 4), note: run.predictsValues ? "mean squared error" : "nats per label"))
        } else if let last, last.loss.isFinite {
            facts.append(
                Fact(name: "last training perplexity", value: Formatting.perplexity(last.perplexity),
                    note: "\(Formatting.fixed(last.loss, decimals: 3)) nats per token"))
        }
        if let last {
            facts += [
                Fact(name: "tokens trained", value: Label.number(Double(last.tokens)),
                    note: "\(Formatting.count(last.step)) steps, \(last.epoch) epoch\(last.epoch == 1 ? "" : "s")"),
                Fact(name: "time", value: Formatting.duration(seconds: last.elapsedSeconds),
                    note: "\(run.history.starts.count > 1 ? "in \(run.history.starts.count) sessions" : "")"),
            ]
        }
        if let rate = run.tokensPerSecond {
            let ranks = run.history.starts.last.map { "\($0.ranks) rank\($0.ranks == 1 ? "" : "s")" }
            facts.append(Fact(name: "tokens/s, median", value: Formatting.rate(rate), note: ranks ?? ""))
        }
        return facts
    }

    private var summary: HTML {
        if runs.count == 1 {
            let tiles = facts(runs[0]).map { fact -> HTML in
                "<div class=\"tile\"><p>\(fact.name)</p><strong>\(fact.value)</strong><p>\(fact.note)</p></div>\n"
            }
            return tiles.isEmpty ? "<p class=\"warning\">No records yet.</p>\n" : "<section class=\"tiles\">\(tiles)</section>\n"
        }
        let areLabels = runs.allSatisfy(\.predictsLabels)
        let (quality, trained) = runs.allSatisfy(\.predictsValues) ? ("error", "loss") : areLabels ? ("accuracy", "loss") : ("perplexity", "perplexity")
        let rows = runs.enumerated().map { index, run -> HTML in
            let facts = facts(run)
            func cell(_ name: String) -> HTML {
                let fact = facts.first { $0.name == name }
                return "<td title=\"\(fact?.note ?? "")\">\(fact?.value ?? "")</td>"
            }
            let parameters = run.history.starts.last.map { $0.parameters == 0 ? "" : Label.number(Double($0.parameters)) } ?? ""
            return """
                <tr><th scope="row">\(swatch(index))\(run.name)</th><td class="text">\(model(run))</td><td>\(parameters)</td>\
                \(cell("best validation \(quality)"))\(cell("last training \(trained)"))\(cell("tokens trained"))\
                \(cell("time"))\(cell("tokens/s, median"))</tr>

                """
        }
        return """
            <section id="summary" class="scroll"><table class="numbers"><thead><tr><th>run</th><th class="text">model</th>\
            <th>parameters</th><th>best validation \(quality)</th><th>last training \(trained)</th><th>tokens trained</th>\
            <th>time</th><th>tokens/s</th></tr></thead><tbody>\(rows)</tbody></table></section>

            """
    }
}
