import Collectives
import Kernels
import Optimization
import Recurrent

/// The squares of a gradient that the ranks of one machine have computed together, each a part of it. They are added up in the order
/// in which a rank by itself adds them, so that the norm does not depend on the number of ranks.
final class TeamSquares {
    private let layout: ParameterLayout
    private let ranks: any Communicator
    private let memory: Buffer
    private let places: [Int]  // of each tensor's first term
    private let blocks: Int  // place of the sparse blocks' sums
    private let sums: UnsafeMutableBufferPointer<Double>  // one of each tensor

    /// Collective.
    /// - Throws: transport errors.
    init(_ layout: ParameterLayout, of ranks: any Communicator) throws {
        self.layout = layout
        self.ranks = ranks
        let counts = layout.entries.map { squareCount(of: $0.count) }
        places = counts.indices.map { counts[..<$0].reduce(0, +) }
        blocks = counts.reduce(0, +)
        let count = TeamSquares.floats(layout)
        let shared = try ranks.shareMemory(ranks.rank == 0 ? count : 0)
        memory = Buffer(shared.part(of: 0), of: shared)
        sums = .allocate(capacity: layout.entries.count)
        sums.initialize(repeating: 0)
    }

    deinit { sums.deallocate() }

    private var terms: UnsafeMutablePointer<Double> { memory.doubles }

    /// Floats of shared memory.
    static func floats(_ layout: ParameterLayout) -> Int {
        2 * (layout.entries.reduce(0) { $0 + squareCount(of: $1.count) } + layout.sparseRows.count)
    }

    /// The squares of this rank's part of `gradient`, which is complete.
    func measure(_ gradient: Arena, ranges: [Range<Int>], touched: TouchedRows?) {
        for (entry, place) in zip(layout.entries, places) {
            for range in ranges {
                // The blocks that begin in the range.
                let first = block(range.lowerBound - entry.offset)
                let end = min(block(range.upperBound - entry.offset) * squareBlock, entry.count)
                if first * squareBlock >= end { continue }
                squares(
                    gradient.buffer.base + entry.offset + first * squareBlock, count: end - first * squareBlock,
                    into: terms + place + first)
            }
        }
        guard let touched else { return }
        for block in touched.own {
            let range = layout.sparseRows.range(of: Int(block))
            terms[blocks + Int(block)] = sumOfSquares(gradient.buffer.base + range.lowerBound, count: range.count)
        }
    }

    /// The first block that begins at this float of a tensor or later.
    private func block(_ place: Int) -> Int { max(0, (place + squareBlock - 1) / squareBlock) }

    /// Collective, after `measure`.
    /// - Parameter touched: as for `measure`; nil if sparse tensors are measured as a whole.
    /// - Returns: the same on every rank.
    func norm(touched: TouchedRows?) throws -> GradientNorm {
        try ranks.barrier()
        for (index, entry) in layout.entries.enumerated() {
            if touched != nil, entry.isSparse {
                sums[index] = 0
                continue
            }
            var sum = 0.0
            for place in places[index]..<places[index] + squareCount(of: entry.count) { sum += terms[place] }
            sums[index] = sum
        }
        touched?.forEach { block in sums[layout.sparseRows.entry(of: block)] += terms[blocks + block] }
        return GradientNorm(squares: sums, layout: layout)
    }
}
