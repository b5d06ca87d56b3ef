/// Values in the order of training.
struct Series: Equatable {
    struct Point: Equatable {
        /// Tokens trained so far.
        var x: Double
        /// NaN if there is no value.
        var y: Double
        var step: Int
    }

    enum Style: Equatable {
        case line
        /// For values that vary a lot, or are of secondary interest.
        case faint
        case dashed
        /// For a few points: a line with a dot at each.
        case dots
    }

    /// The name in the legend.
    var name: String
    /// Index of the colour.
    var colour: Int
    var style: Style
    var points: [Point]

    /// Reduced to about as many points as a screen has columns, with all peaks: keeps the lowest and the highest point of
    /// each stretch, and the first and last of the series.
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
