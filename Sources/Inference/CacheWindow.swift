import Kernels

/// The last tokens of one text, each with the hidden vector that it was predicted from.
struct CacheWindow {
    /// Positions that are moved at a time, so that not every chunk moves all of them.
    static let spare = 256

    /// N, positions that a prediction sees at most.
    let positions: Int
    private let width: Int
    private let states: Buffer  // [room, H], the oldest first
    /// The token that came after each state; -1 after the last.
    private let followers: Integers  // [room]
    private let room: Int
    private var count = 0
    /// The oldest position that still counts.
    private var start = 0
    /// Of each position of the last chunk, the oldest one that it sees.
    private var oldest: [Int] = []

    static func room(positions: Int, steps: Int) -> Int { positions + max(steps, spare) }

    init(positions: Int, width: Int, steps: Int) {
        self.positions = positions
        self.width = width
        room = CacheWindow.room(positions: positions, steps: steps)
        states = Buffer(count: room * width)
        followers = Integers(count: room)
    }

    mutating func reset() {
        count = 0
        start = 0
        oldest.removeAll(keepingCapacity: true)
    }

    /// - Parameters:
    ///   - tokens: those of the chunk, `stride` apart.
    ///   - hidden: [steps, H], what they led to.
    ///   - forgetting: a token at which the text begins afresh.
    mutating func append(_ tokens: UnsafePointer<Int32>, stride: Int, hidden: Matrix, forgetting lineEnd: Int32?) {
        if count + hidden.rows > room { keepTheLast() }
        oldest.removeAll(keepingCapacity: true)
        for t in 0..<hidden.rows {
            let token = tokens[t * stride]
            if count > 0 { followers[count - 1] = token }
            if token == lineEnd { start = count }
            oldest.append(max(start, count - positions))
            copy(hidden.row(t), to: states.base + count * width, count: width)
            followers[count] = -1
            count += 1
        }
    }

    private mutating func keepTheLast() {
        let kept = min(positions, count)
        let gone = count - kept
        copy(states.base + gone * width, to: states.base, count: kept * width)
        for place in 0..<kept { followers[place] = followers[gone + place] }
        count = kept
        start = max(0, start - gone)
    }

    /// The products of the hidden vectors of the last chunk with those before them.
    /// - Parameters:
    ///   - rows: places in the chunk.
    ///   - scores: room for [rows, columns] of `columns(for:)`.
    /// - Throws: `KernelError`.
    func multiply(_ rows: Range<Int>, into scores: Buffer) throws {
        let (columns, first) = (columns(for: rows), count - oldest.count)
        guard !columns.isEmpty else { return }
        try Kernels.multiply(
            Matrix(states.base + (first + rows.lowerBound) * width, rows: rows.count, columns: width),
            by: Matrix(states.base + columns.lowerBound * width, rows: columns.count, columns: width), bTransposed: true,
            into: Matrix(scores.base, rows: rows.count, columns: columns.count))
    }

    /// The positions that some of these rows see.
    private func columns(for rows: Range<Int>) -> Range<Int> {
        let first = count - oldest.count
        return oldest[rows.lowerBound]..<max(oldest[rows.lowerBound], first + rows.upperBound - 1)
    }

    /// What `row` sees, oldest first: the tokens, and its products with their hidden vectors as `multiply` has left them for `rows`.
    func seen(by row: Int, of rows: Range<Int>, in scores: Buffer) -> (followers: UnsafeBufferPointer<Int32>, scores: UnsafePointer<Float>) {
        let columns = columns(for: rows)
        let (first, end) = (oldest[row], count - oldest.count + row)
        return (
            UnsafeBufferPointer(start: followers.base + first, count: end - first),
            UnsafePointer(scores.base + (row - rows.lowerBound) * columns.count + first - columns.lowerBound)
        )
    }
}
