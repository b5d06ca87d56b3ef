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
        return "<p class=\"lead\">\(model(runs[0]))\(parameters), on \(Formatting.count(start.data.trainingTokens)) \(runs[0].measure == .values ? "rows" : "\(start.data.level) tokens") of \(start.data.folder)</p>"
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

    /// What the losses of all runs measure; nil for runs of several kinds.
    var measure: LossMeasure? {
        let measures = Set(runs.map(\.measure))
        return measures.count == 1 ? measures.first : nil
    }
}
