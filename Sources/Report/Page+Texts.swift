import Reporting

/// The parts of a page that are text: samples, configuration, environment.
extension Page {
    // MARK: Samples

    /// How many samples are visible at first; a click shows the others.
    private static let shownSamples = 4
    private static let longestSample = 2000

    var samples: HTML {
        let parts = runs.enumerated().compactMap { index, run -> HTML? in
            let samples = run.history.samples
            guard !samples.isEmpty else { return nil }
            // The first, the last, and some in between.
            let count = min(samples.count, Page.shownSamples)
            let chosen = (0..<count).map { samples[count == 1 ? 0 : $0 * (samples.count - 1) / (count - 1)] }
            let all: HTML =
                samples.count > count
                ? "<details><summary>all \(samples.count) samples</summary><div class=\"samples\">\(samples.map { sample($0, of: run) })</div></details>"
                : ""
            return """
                \(runs.count > 1 ? "<h3>\(swatch(index))\(run.name)</h3>" as HTML : "")<div class="samples">\
                \(chosen.map { sample($0, of: run) })</div>\(all)

                """
        }
        return parts.isEmpty
            ? "" : "<section id=\"samples\"><h2>Samples</h2><p class=\"lead\">Drawn with the same random numbers each time: only the model changes.</p>\(parts)</section>\n"
    }

    private func sample(_ sample: SampleRecord, of run: Run) -> HTML {
        let validation = run.history.validation.last { $0.step == sample.step }
        let text = sample.text.count > Page.longestSample ? sample.text.prefix(Page.longestSample) + "…" : sample.text[...]
        return """
            <article class="sample"><h4>step \(Formatting.count(sample.step)), epoch \(sample.epoch)\
            \(validation?.perplexity.map { ", perplexity \(Formatting.perplexity($0))" } ?? "")</h4><pre>\(text)</pre></article>

            """
    }

    // MARK: Configuration

    var configuration: HTML {
        let known = runs.enumerated().filter { !$0.element.configuration.isEmpty }
        guard let first = known.first else { return "" }
        var parts: [HTML] = []
        if known.count > 1 {
            let paths = first.element.configuration.map(\.path).filter { path in
                Set(known.map { $0.element.setting(path) }).count > 1
            }
            let rows = paths.map { path -> HTML in
                "<tr><th scope=\"row\"><code>\(path)</code></th>\(known.map { "<td><code>\($0.element.setting(path) ?? "")</code></td>" as HTML })</tr>\n"
            }
            parts.append(
                """
                <h3>Differences</h3><div class="scroll"><table><thead><tr><th></th>\
                \(known.map { "<th>\(swatch($0.offset))\($0.element.name)</th>" as HTML })</tr></thead><tbody>\(rows)</tbody></table></div>

                """)
        }
        for (index, run) in known {
            let pairs = run.configuration.map { "<div><dt>\($0.path)</dt><dd>\($0.value)</dd></div>\n" as HTML }
            let list: HTML = "<dl class=\"settings\">\(pairs)</dl>"
            parts.append(
                known.count > 1 ? "<details><summary>\(swatch(index))\(run.name), complete</summary>\(list)</details>\n" : list)
        }
        return "<section id=\"configuration\"><h2>Configuration</h2>\(parts)</section>\n"
    }

    // MARK: Data and environment

    var environment: HTML {
        let known = runs.enumerated().filter { !$0.element.history.starts.isEmpty }
        guard !known.isEmpty else { return "" }
        let data = known.map { index, run -> HTML in
            let data = run.history.starts.last!.data
            return """
                <tr>\(name(index, run))<td>\(data.folder)</td><td>\(data.level)</td><td class="number">\(Formatting.count(data.vocabulary))</td>\
                <td class="number">\(Formatting.count(data.trainingTokens))</td>\
                <td class="number">\(data.validationTokens.map(Formatting.count) ?? "none")</td>\
                <td><code title="\(data.hash)">\(data.hash.prefix(12))</code></td></tr>

                """
        }
        let sessions = known.flatMap { index, run in
            run.history.starts.map { start -> HTML in
                let hosts = start.hosts.sorted { $0.key < $1.key }.map { "\($0.key) (\($0.value))" }.joined(separator: ", ")
                return """
                    <tr>\(name(index, run))<td>\(start.time)</td><td class="number">\(Formatting.count(start.step))</td>\
                    <td class="number">\(start.ranks)</td><td class="number">\(start.threadsPerRank)</td><td>\(hosts)</td>\
                    <td>\(start.processor), \(start.cores) cores</td><td>\(start.program)\(start.startedFrom.map { ", \($0.joined(separator: ", "))" } ?? "")</td>\
                    <td>\(start.libraries.map { $0.prefix(80) }.joined(separator: "; "))</td></tr>

                    """
            }
        }
        let run: HTML = runs.count > 1 ? "<th>run</th>" : ""
        let unit = measure == .values ? "rows" : "tokens"
        return """
            <section id="environment"><h2>Data</h2>
            <div class="scroll"><table><thead><tr>\(run)<th>folder</th><th>level</th><th class="number">vocabulary</th>\
            <th class="number">training \(unit)</th><th class="number">validation \(unit)</th><th>SHA-256</th></tr></thead><tbody>\(data)</tbody></table></div>
            <h2>Environment</h2>
            <div class="scroll"><table><thead><tr>\(run)<th>started (UTC)</th><th class="number">at step</th><th class="number">ranks</th>\
            <th class="number">threads</th><th>hosts (ranks)</th><th>processor of rank 0</th><th>lockstep</th><th>libraries</th></tr></thead>\
            <tbody>\(sessions)</tbody></table></div>
            </section>

            """
    }

    private func name(_ index: Int, _ run: Run) -> HTML {
        runs.count > 1 ? "<th scope=\"row\">\(swatch(index))\(run.name)</th>" : ""
    }
}
