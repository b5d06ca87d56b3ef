/// The candidate with the smallest edit distance to `name` (a transposition counts once), if it is close enough to be a likely typo
/// (at most a third of the longer name, at least one edit). Ties go to the first candidate.
package func nearestName(to name: String, among candidates: some Sequence<String>) -> String? {
    var best: (name: String, distance: Int)?
    for candidate in candidates {
        let distance = editDistance(Array(name.lowercased().unicodeScalars), Array(candidate.lowercased().unicodeScalars))
        if distance < best?.distance ?? .max { best = (candidate, distance) }
    }
    guard let best, best.distance <= max(1, max(name.count, best.name.count) / 3) else { return nil }
    return best.name
}

private func editDistance(_ a: [Unicode.Scalar], _ b: [Unicode.Scalar]) -> Int {
    var beforeThat: [Int] = []
    var previous = Array(0...b.count)
    for (i, x) in a.enumerated() {
        var current = [i + 1]
        for (j, y) in b.enumerated() {
            var edits = min(previous[j + 1] + 1, current[j] + 1, previous[j] + (x == y ? 0 : 1))
            if i > 0, j > 0, x == b[j - 1], a[i - 1] == y { edits = min(edits, beforeThat[j - 1] + 1) }
            current.append(edits)
        }
        (beforeThat, previous) = (previous, current)
    }
    return previous[b.count]
}
