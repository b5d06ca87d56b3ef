import Reporting

/// Series over tokens, as a figure with an SVG picture of any width.
///
/// Positions in the picture are percentages, so letters, lines and dots keep their size at any width. Only the
/// lines are in an inner picture of 1000 by 1000, which is stretched.
struct Chart {
    /// The id of the figure's element.
    var name: String
    var title: String
    /// What the left axis shows, with its unit.
    var axis: String
    var x: Scale
    var y: Scale
    /// Unit in the read-out: "%", "MiB"; may be empty.
    var unit = ""
    /// What the x axis shows.
    var across = "tokens trained"
    /// Whether it has a row of the page to itself.
    var isWide = false
    /// A second axis for the same positions.
    var right: (axis: String, scale: Scale)?
    var series: [Series]
    /// Named horizontal lines.
    var levels: [(value: Double, name: String)] = []
    /// Positions on the x axis at which a run was resumed.
    var resumptions: [Double] = []
    /// A point with a label in the picture.
    var highlight: (point: Series.Point, colour: Int, text: String)?

    var html: HTML {
        """
        <figure class="chart\(isWide ? " wide" : "")" id="\(name)">
        <figcaption><h3>\(title)</h3><p class="legend">\(legend)</p></figcaption>
        <p class="axes"><span>\(axis)\(y.isLogarithmic ? ", logarithmic" : "")</span><span>\(right?.axis ?? "")</span></p>
        <div class="frame\(right == nil ? "" : " twosided")">
        <svg class="plot" role="img" aria-label="\(title)" data-lower="\(exact(x.lower))" data-upper="\(exact(x.upper))" data-unit="\(unit)" data-across="\(across)">
        <rect class="ground" width="100%" height="100%"/>
        \(grid)\(levels.compactMap(line))\(resumptionLines)<svg class="lines" viewBox="0 0 1000 1000" preserveAspectRatio="none" width="100%" height="100%">
        \(series.map(line))</svg>\(series.map(dots))\(highlightText)<line class="cursor" y2="100%"/></svg>
        <div class="readout" hidden></div>
        </div>
        <p class="axis-x">\(across)</p>
        </figure>

        """
    }

    // MARK: Parts

    private var legend: [HTML] {
        let named = series.enumerated().filter { index, series in
            !series.name.isEmpty && !self.series[..<index].contains { $0.name == series.name }
        }
        let names = named.map(\.element).map { series -> HTML in
            "<span class=\"key\"><svg width=\"22\" height=\"10\"><path class=\"\(style(series))\" d=\"M0 5H22\"/>\(series.style == .dots ? "<circle class=\"c\(series.colour % Chart.colours)\" cx=\"11\" cy=\"5\" r=\"3.5\"/>" as HTML : "")</svg>\(series.name)</span> "
        }
        return names
            + levels.map { "<span class=\"key\"><svg width=\"22\" height=\"10\"><path class=\"level\" d=\"M0 5H22\"/></svg>\($0.name)</span> " }
            + (resumptions.isEmpty ? [] : ["<span class=\"key\"><svg width=\"10\" height=\"12\"><path class=\"resumed\" d=\"M5 0V12\"/></svg>resumed</span> "])
    }

    /// Number of colours in the style sheet.
    static let colours = 8

    private func style(_ series: Series) -> String {
        let style =
            switch series.style {
            case .line, .dots: "line"
            case .faint: "line faint"
            case .dashed: "line dashed"
            }
        return "\(style) c\(series.colour % Chart.colours)"
    }

    private var grid: [HTML] {
        let horizontal = y.ticks.compactMap { value -> HTML? in
            guard let place = y.place(value) else { return nil }
            let at = percent(1 - place)
            return "<line class=\"grid\" x2=\"100%\" y1=\"\(at)\" y2=\"\(at)\"/><text class=\"tick y\" x=\"0\" dx=\"-8\" y=\"\(at)\" dy=\"0.32em\" data-value=\"\(exact(value))\">\(Label.number(value))</text>\n"
        }
        let beside = (right?.scale.ticks ?? []).compactMap { value -> HTML? in
            guard let place = right?.scale.place(value) else { return nil }
            let at = percent(1 - place)
            return "<text class=\"tick right\" x=\"100%\" dx=\"8\" y=\"\(at)\" dy=\"0.32em\" data-value=\"\(exact(value))\">\(Label.number(value))</text>\n"
        }
        let below = x.ticks.compactMap { value -> HTML? in
            guard let place = x.place(value) else { return nil }
            let at = percent(place)
            return "<line class=\"grid upright\" x1=\"\(at)\" x2=\"\(at)\" y2=\"100%\"/><text class=\"tick x\" x=\"\(at)\" y=\"100%\" dy=\"1.5em\" data-value=\"\(exact(value))\">\(Label.number(value))</text>\n"
        }
        return horizontal + beside + below
    }

    private func line(_ level: (value: Double, name: String)) -> HTML? {
        guard let place = y.place(level.value) else { return nil }
        let at = percent(1 - place)
        return "<line class=\"level\" x2=\"100%\" y1=\"\(at)\" y2=\"\(at)\" data-value=\"\(exact(level.value))\"/>\n"
    }

    private var resumptionLines: [HTML] {
        resumptions.compactMap { x.place($0) }.map {
            "<line class=\"resumed\" x1=\"\(percent($0))\" x2=\"\(percent($0))\" y2=\"100%\"/>"
        }
    }

    /// The positions of the points, and the values for the read-out.
    private func line(_ series: Series) -> HTML {
        let series = series.thinned()
        var path = ""
        var isPenDown = false
        var shown: [Series.Point] = []
        for point in series.points {
            guard let u = x.place(point.x), let v = y.place(point.y) else {
                isPenDown = false
                continue
            }
            path += "\(isPenDown ? "L" : "M")\(short(1000 * u)) \(short(1000 * (1 - v)))"
            isPenDown = true
            shown.append(point)
        }
        func list(_ value: (Series.Point) -> String) -> String { shown.map(value).joined(separator: " ") }
        return "<path class=\"\(style(series))\" d=\"\(path)\" data-name=\"\(series.name)\" data-x=\"\(list { exact($0.x) })\" data-y=\"\(list { exact($0.y) })\" data-step=\"\(list { String($0.step) })\"/>\n"
    }

    private func dots(_ series: Series) -> HTML {
        guard series.style == .dots else { return "" }
        let dots = series.thinned(to: 200).points.compactMap { point -> HTML? in
            guard let u = x.place(point.x), let v = y.place(point.y) else { return nil }
            return "<circle class=\"c\(series.colour % Chart.colours)\" cx=\"\(percent(u))\" cy=\"\(percent(1 - v))\" r=\"3.5\" data-step=\"\(point.step)\" data-value=\"\(exact(point.y))\"/>\n"
        }
        return "\(dots)"
    }

    private var highlightText: HTML {
        guard let highlight, let u = x.place(highlight.point.x), let v = y.place(highlight.point.y) else { return "" }
        // Above the point, aligned to the side that has room.
        let anchor = u > 0.75 ? "end" : u < 0.25 ? "start" : "middle"
        return "<text class=\"note strong\" x=\"\(percent(u))\" y=\"\(percent(1 - v))\" dy=\"\(v > 0.85 ? "1.6em" : "-0.8em")\" text-anchor=\"\(anchor)\">\(highlight.text)</text>"
    }

    // MARK: Numbers

    private func percent(_ share: Double) -> String { short(100 * share) + "%" }
    /// Two decimals: a screen does not show smaller differences.
    private func short(_ value: Double) -> String { Formatting.significant((value * 100).rounded() / 100, digits: 6) }
    private func exact(_ value: Double) -> String { Formatting.significant(value, digits: 9) }
}
