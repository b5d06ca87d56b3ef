/// The parts of the parameters that have a gradient only in some steps: blocks of rows, numbered through all such parameters in the
/// order of the layout. In a step each block has a gradient as a whole, or none.
///
/// A block of the embedding is one row; of a tail of an adaptive softmax, which is touched as a whole, about 4096 floats, so that
/// ranks can share the work.
package struct SparseRows: Sendable, Equatable {
    private struct Part: Equatable {
        let name: String
        /// Place in the layout's entries.
        let entry: Int
        let first: Int
        let count: Int
        let offset: Int
        /// Floats of each block but the last, which may have fewer.
        let length: Int
        let end: Int
    }

    private var parts: [Part] = []
    /// Floats of each parameter.
    package private(set) var ranges: [Range<Int>] = []

    /// Blocks of all parameters.
    package var count: Int { parts.last.map { $0.first + $0.count } ?? 0 }

    init() {}

    mutating func append(_ entry: ParameterLayout.Entry, at place: Int, blockRows: Int) {
        parts.append(
            Part(
                name: entry.name, entry: place, first: count, count: SparseRows.blocks(entry.shape, blockRows), offset: entry.offset,
                length: blockRows * entry.count / entry.shape[0], end: entry.range.upperBound))
        ranges.append(entry.range)
    }

    /// Rows of a block of about 4096 floats.
    static func blockRows(of shape: [Int]) -> Int { max(1, 4096 / shape[1]) }

    /// Blocks of a parameter; none where every step gives all of it a gradient.
    static func blocks(_ shape: [Int], _ blockRows: Int?) -> Int { blockRows.map { (shape[0] + $0 - 1) / $0 } ?? 0 }

    private func part(of block: Int) -> Part { parts.last { $0.first <= block }! }

    /// Floats of the arena.
    package func range(of block: Int) -> Range<Int> {
        let part = part(of: block)
        let start = part.offset + (block - part.first) * part.length
        return start..<min(start + part.length, part.end)
    }

    /// The parameter's place in the layout's entries.
    package func entry(of block: Int) -> Int { part(of: block).entry }

    /// The blocks of a parameter.
    package func blocks(of name: String) -> Range<Int> {
        guard let part = parts.first(where: { $0.name == name }) else { preconditionFailure("\(name) is not sparse") }
        return part.first..<part.first + part.count
    }
}
