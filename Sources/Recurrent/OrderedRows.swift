import Kernels

/// What blocks of logits are made of where gradients are summed by shards.
struct ShardedRows {
    let hidden: Matrix  // [T*B, H]
    let hiddenGradient: Matrix  // [T*B, H]
    let targets: UnsafePointer<Int32>  // [T*B]
    /// Which of the rows each shard has.
    let leaves: Leaves
}

/// Copies of a chunk's rows in the order of the sums: one shard after another, and in each by time, then stream.
final class OrderedRows {
    private let batch: Int  // B
    private let width: Int  // streams of a shard
    private let columns: Int  // H
    /// The columns that this rank copies.
    private let units: Range<Int>
    private let hidden: Buffer  // [T*B, H]
    private let gradient: Buffer  // [T*B, H]
    private let targets: Integers  // [T*B]
    private let leaves: Leaves
    private var shardRows = 0 {
        didSet { if shardRows != oldValue { leaves.fill(rows: shardRows) } }
    }

    /// - Throws: transport errors.
    init(_ sums: GradientSums, _ chunk: ChunkShape, columns: Int) throws {
        (batch, width, self.columns) = (chunk.batch, sums.width, columns)
        units = chunk.team.range(of: columns)
        hidden = try chunk.team.buffer(count: chunk.rows * columns)
        gradient = try chunk.team.buffer(count: chunk.rows * columns)
        targets = Integers(count: chunk.rows, repeating: -1)
        leaves = Leaves(sums.shards, mostRows: chunk.rows)
    }

    /// Adds the values of four bytes that it allocates.
    static func extend(_ plan: inout LayerPlan, _ chunk: ChunkShape, columns: Int) {
        let rows = 2 * Double(columns) * chunk.values
        plan.shared += rows
        plan.values += rows + chunk.values + Leaves.values(chunk.nodes.reduce(0, +), rows: chunk.values)
    }

    /// Copies the targets, and this rank's columns of what the head reads. The gradient is for the caller to fill in.
    func take(_ chunk: ShardedRows) -> ShardedRows {
        let rows = chunk.hidden.rows
        shardRows = rows / batch * width
        forEachRun(rows) { from, to in
            copyRows(chunk.hidden.row(from), to: hidden.base + to * columns)
            (targets.base + to).update(from: chunk.targets + from, count: width)
        }
        return ShardedRows(
            hidden: Matrix(hidden.base, rows: rows, columns: columns), hiddenGradient: Matrix(gradient.base, rows: rows, columns: columns),
            targets: targets.base, leaves: leaves)
    }

    /// Gives this rank's columns of the gradient back, in the order of the chunk.
    func give(into result: Matrix) {
        forEachRun(result.rows) { to, from in copyRows(gradient.base + from * columns, to: result.row(to)) }
    }

    /// This rank's columns of a shard's rows of one time step.
    private func copyRows(_ source: UnsafePointer<Float>, to destination: UnsafeMutablePointer<Float>) {
        if units.count == columns { return copy(source, to: destination, count: width * columns) }
        for place in stride(from: units.lowerBound, to: width * columns, by: columns) {
            copy(source + place, to: destination + place, count: units.count)
        }
    }

    /// The neighbouring rows of each shard and time step: where they are in the chunk, and where among the shards.
    private func forEachRun(_ rows: Int, _ body: (_ chunk: Int, _ ordered: Int) -> Void) {
        let steps = rows / batch
        for shard in 0..<batch / width {
            for step in 0..<steps { body(step * batch + shard * width, (shard * steps + step) * width) }
        }
    }
}
