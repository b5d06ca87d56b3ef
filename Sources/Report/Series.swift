/// Values in the order of training.
struct Series: Equatable {
    struct Point: Equatable {
        /// Tokens trained so far.
        var x: Double
        /// NaN where there is none.
        var y: Double
        var step: Int
    }

    enum Style: Equatable {
        case line
        /// What varies much, or is not the main thing.
        case faint
        case dashed
        /// Few points: a line with a dot at each.
        case dots
    }

    /// In the legend.
    var name: String
    /// Index of the colour.
    var colour: Int
    var style: Style
    var points: [Point]

    /// No more points than a screen has columns, and still every peak: of each stretch of points its lowest and its
    /// highest, beside the series' first and last.
    func thinned(to count: Int = 600) -> Series {
        guard points.count > count, count > 2 else { return self }
        var thin = self
        let inner = points.dropFirst().dropLast()
        let stretches = count / 2 - 1
        thin.points = [points[0]]
        for index in 0..<stretches {
            let start = inner.startIndex + inner.count * index / stretches
            let stretch = inner[start..<inner.startIndex + inner.count * (index + 1) / stretches]
            guard let low = stretch.indices.min(by: { stretch[$0].y < stretch[$1].y }),
                let high = stretch.indices.max(by: { stretch[$0].y < stretch[$1].y })
            else { continue }
            for place in Set([low, high]).sorted() { thin.points.append(points[place]) }
        }
        thin.points.append(points[points.count - 1])
        return thin
    }
}
