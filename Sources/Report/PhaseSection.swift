import Reporting

/// The phases of a step, with their names and colours.
enum PhaseSection {
    /// In the order of a step; neighbours of one kind have shades of one hue.
    private static let known: [(name: String, text: String, hue: Int, lightness: Int)] = [
        ("embedding", "embedding", 212, 72), ("projection", "input projection", 212, 60),
        ("recurrence", "recurrence", 212, 48), ("dropout", "dropout", 212, 38),
        ("output", "output product", 160, 42), ("softmax", "softmax and loss", 160, 54),
        ("outputBackward", "output, backward", 160, 32),
        ("recurrenceBackward", "recurrence, backward", 28, 50), ("weightGradients", "weight gradients", 28, 60),
        ("projectionBackward", "projection, backward", 28, 70), ("embeddingBackward", "embedding, backward", 28, 78),
        ("wait", "waiting for ranks", 350, 70), ("exchange", "exchange", 350, 52),
        ("update", "norm, clip, update", 270, 58), ("packing", "packing weights", 270, 72),
    ]

    /// Phases of a later version follow the known ones, and `other` is last.
    static func inOrder(_ names: some Collection<String>) -> [String] {
        let strangers = names.filter { name in name != "other" && !known.contains { $0.name == name } }.sorted()
        return known.map(\.name).filter(names.contains) + strangers + (names.contains("other") ? ["other"] : [])
    }

    static func text(_ name: String) -> String { known.first { $0.name == name }?.text ?? name }

    static func colour(_ name: String) -> String {
        guard let phase = known.first(where: { $0.name == name }) else { return "hsl(210 6% 60%)" }
        return "hsl(\(phase.hue) 52% \(phase.lightness)%)"
    }

    /// One bar for each run, and one table for all.
    static func section(_ runs: [(run: Run, colour: Int)]) -> HTML {
        let measured = runs.map { (name: $0.run.name, colour: $0.colour, phases: $0.run.phases) }.filter { !$0.phases.isEmpty }
        guard !measured.isEmpty else { return "" }
        let bars = measured.map { run -> HTML in
            let total = run.phases.reduce(0) { $0 + $1.milliseconds }
            var start = 0.0
            let parts = run.phases.map { phase -> HTML in
                let share = 100 * phase.milliseconds / total
                defer { start += share }
                return "<rect x=\"\(Formatting.fixed(start, decimals: 3))%\" width=\"\(Formatting.fixed(share, decimals: 3))%\" height=\"100%\" fill=\"\(colour(phase.name))\" data-phase=\"\(phase.name)\"><title>\(text(phase.name)): \(percent(share))</title></rect>"
            }
            return "\(measured.count > 1 ? "<p class=\"barname\">\(swatch(run.colour))\(run.name)</p>" as HTML : "")<svg class=\"bar\" role=\"img\" aria-label=\"phases of a step\">\(parts)</svg>\n"
        }
        let names = inOrder(Set(measured.flatMap { $0.phases.map(\.name) }))
        let head = measured.map { run -> HTML in
            "<th colspan=\"2\">\(measured.count > 1 ? "\(swatch(run.colour))\(run.name)" as HTML : "time of a step")</th>"
        }
        let rows = names.map { name -> HTML in
            let cells = measured.map { run -> HTML in
                guard let phase = run.phases.first(where: { $0.name == name }) else { return "<td></td><td></td>" }
                let total = run.phases.reduce(0) { $0 + $1.milliseconds }
                return "<td>\(milliseconds(phase.milliseconds))</td><td>\(percent(100 * phase.milliseconds / total))</td>"
            }
            return "<tr><th scope=\"row\"><i class=\"patch\" style=\"background:\(colour(name))\"></i>\(text(name))</th>\(cells)</tr>\n"
        }
        let totals = measured.map { run -> HTML in
            "<td>\(milliseconds(run.phases.reduce(0) { $0 + $1.milliseconds }))</td><td></td>"
        }
        return """
            <section id="phases"><h2>Where a step's time goes</h2>
            <p class="lead">Rank 0, averaged over the run. Validation and checkpoints are not part of a step.</p>
            \(bars)
            <div class="scroll"><table class="numbers"><thead><tr><th></th>\(head)</tr></thead>
            <tbody>\(rows)<tr class="total"><th scope="row">step</th>\(totals)</tr></tbody></table></div>
            </section>

            """
    }

    private static func percent(_ share: Double) -> String { "\(Formatting.fixed(share, decimals: 1)) %" }
    private static func milliseconds(_ value: Double) -> String { "\(Formatting.significant(value, digits: 3)) ms" }
}

/// The run's colour, before its name.
func swatch(_ colour: Int) -> HTML { "<i class=\"patch c\(colour % Chart.colours)\"></i>" }
