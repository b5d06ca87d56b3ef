import Foundation
import Testing

@testable import Report

@Suite struct ChartTests {
    private static func points(_ values: [Double]) -> [Series.Point] {
        values.enumerated().map { Series.Point(x: Double($0.offset), y: $0.element, step: $0.offset * 10) }
    }

    private static func chart(_ values: [Double], style: Series.Style = .line) -> String {
        Chart(
            name: "c", title: "T", axis: "a", x: Scale(linear: [0, 4], isTight: true), y: Scale(linear: [0, 100]),
            series: [Series(name: "s", colour: 9, style: style, points: points(values))]
        ).html.description
    }

    @Test func linesGoThroughThePlacesOfTheValues() {
        let html = Self.chart([100, 25, .nan, 0, 50])
        #expect(html.contains(#"d="M0 0L250 750M750 1000L1000 500""#), "\(html)")
        #expect(html.contains(#"data-x="0 1 3 4" data-y="100 25 0 50" data-step="0 10 30 40""#))
        #expect(html.contains(#"class="line c1""#))
    }

    @Test func dotsAreAtTheValues() {
        let html = Self.chart([100, 12.5], style: .dots)
        #expect(html.contains(#"<circle class="c1" cx="25%" cy="87.5%" r="3.5" data-step="10" data-value="12.5"/>"#), "\(html)")
    }

    @Test func ticksAreAtTheirPlaces() {
        let html = Self.chart([1])
        #expect(html.contains(#"<text class="tick y" x="0" dx="-8" y="80%" dy="0.32em" data-value="20">20</text>"#), "\(html)")
        #expect(html.contains(#"<text class="tick x" x="50%" y="100%" dy="1.5em" data-value="2">2</text>"#), "\(html)")
    }

    @Test func namesAreEscaped() {
        let html = Chart(
            name: "c", title: "<b>", axis: "&", x: Scale(linear: [0]), y: Scale(linear: [0]),
            series: [Series(name: "\"><script>", colour: 0, style: .line, points: Self.points([1]))]
        ).html.description
        #expect(!html.contains("<script>") && !html.contains("<b>"))
        #expect(html.contains("&quot;&gt;&lt;script&gt;"))
    }

    /// Thinning a long series keeps its peaks.
    @Test func thinningKeepsEveryPeak() {
        var values = (0..<100_000).map { sin(Double($0) / 1e4) }
        for (place, value) in [(0, 5.0), (12_345, 9), (50_001, -7), (99_999, 3)] { values[place] = value }
        let series = Series(name: "", colour: 0, style: .line, points: Self.points(values))
        let thin = series.thinned().points
        #expect(500...602 ~= thin.count)
        for (place, value) in [(0, 5.0), (12_345, 9), (50_001, -7), (99_999, 3)] {
            #expect(thin.contains(Series.Point(x: Double(place), y: value, step: place * 10)))
        }
        #expect(zip(thin, thin.dropFirst()).allSatisfy { $0.x < $1.x })
        #expect(Series(name: "", colour: 0, style: .line, points: Array(series.points[..<600])).thinned().points.count == 600)
    }
}
