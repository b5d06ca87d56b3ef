import Kernels

/// What the output layer needs where gradients are summed by shards: its rows in the order of the sums, one shard after
/// another and in each by time, then stream; and sums of nodes that are larger than a block of logits.
final class SoftmaxShards {
    let sums: GradientSums
    private let batch: Int  // B
    private let columns: Int  // H
    private let hidden: Buffer  // [T*B, H]
    private let gradient: Buffer  // [T*B, H]
    private let targets: Integers  // [T*B]
    /// dL/d(bias) by shards, [V].
    let bias: TreeVector
    /// Sums of right children, [V, H] each.
    let partial: [Buffer]
    /// The loss of each shard in the last chunk, in nats.
    var losses: [Double]
    /// Rows of a shard in the last chunk.
    private(set) var shardRows = 0

    /// - Parameter rows: T*B at the most.
    init(_ sums: GradientSums, batch: Int, rows: Int, columns: Int, vocabulary: Int, blockRows: Int) {
        self.sums = sums
        self.batch = batch
        self.columns = columns
        hidden = Buffer(count: rows * columns)
        gradient = Buffer(count: rows * columns)
        targets = Integers(count: rows, repeating: -1)
        let counts = sums.nodes.map(\.shards.count)
        bias = TreeVector(length: vocabulary, leaves: counts.max()!)
        let partials = SoftmaxShards.partials(counts, shardRows: rows / batch * sums.width, blockRows: blockRows)
        partial = (0..<partials).map { _ in Buffer(count: vocabulary * columns) }
        losses = Array(repeating: 0, count: sums.shards)
    }

    private static func partials(_ nodes: [Int], shardRows: Int, blockRows: Int) -> Int {
        nodes.map { SumTree.partialSums(of: $0) { $0 * shardRows <= blockRows } }.max() ?? 0
    }

    /// Values of four bytes that it allocates.
    static func values(_ chunk: ChunkShape, vocabulary: Int, columns: Int, blockRows: Int) -> Double {
        let partials = partials(chunk.nodes, shardRows: chunk.steps * chunk.width, blockRows: blockRows)
        return (2 * Double(columns) + 1) * chunk.values + Double(partials) * Double(vocabulary) * Double(columns)
            + Double(TreeVector.count(length: vocabulary, leaves: chunk.nodes.max()!))
    }

    /// Takes a chunk's rows [T*B, H] and targets [T*B].
    func take(_ source: Matrix, targets sourceTargets: UnsafePointer<Int32>) {
        shardRows = source.rows / batch * sums.width
        for shard in losses.indices { losses[shard] = 0 }
        forEachRun(source.rows) { from, to in
            copy(source.row(from), to: hidden.base + to * columns, count: sums.width * columns)
            (targets.base + to).update(from: sourceTargets + from, count: sums.width)
        }
    }

    /// Gives the gradient of these rows back, in the order of the chunk.
    func give(into result: Matrix) {
        forEachRun(result.rows) { to, from in
            copy(gradient.base + from * columns, to: result.row(to), count: sums.width * columns)
        }
    }

    /// The neighbouring rows of each shard and time step: where they are in the chunk, and where among the shards.
    private func forEachRun(_ rows: Int, _ body: (_ chunk: Int, _ ordered: Int) -> Void) {
        let (steps, width) = (rows / batch, sums.width)
        for shard in losses.indices {
            for step in 0..<steps { body(step * batch + shard * width, (shard * steps + step) * width) }
        }
    }

    func hiddenRows(_ first: Int, count: Int) -> Matrix { Matrix(hidden.base + first * columns, rows: count, columns: columns) }
    func gradientRows(_ first: Int, count: Int) -> Matrix { Matrix(gradient.base + first * columns, rows: count, columns: columns) }
    func target(_ row: Int) -> Int { Int(targets[row]) }
}

extension SoftmaxHead {
    /// As `lossAndGradient`, with the gradients of weights and bias summed by shards.
    func lossAndGradient(
        _ hidden: Matrix, targets: UnsafePointer<Int32>, hiddenGradient: Matrix, _ shards: SoftmaxShards
    ) throws -> LossSum {
        shards.take(hidden, targets: targets)
        var tokens = 0
        for (index, node) in shards.sums.nodes.enumerated() {
            shards.bias.begin(leaves: node.shards.count)
            tokens += try add(node.shards, shards, into: weightGradients[index], level: 0)
            shards.bias.end(into: biasGradients[index])
        }
        shards.give(into: hiddenGradient)
        return LossSum(total: shards.losses.reduce(0, +), tokens: tokens)
    }

    /// Runs these shards and sums their gradients of the weights along the tree: at once where they fit into a block of
    /// logits, else one child after the other.
    /// - Returns: the predictions among them.
    private func add(_ node: Range<Int>, _ shards: SoftmaxShards, into result: Matrix, level: Int) throws -> Int {
        let (first, rows) = (node.lowerBound * shards.shardRows, node.count * shards.shardRows)
        if node.count > 1, rows > blockRows {
            let middle = node.lowerBound + SumTree.leftLeaves(of: node.count)
            let right = Matrix(shards.partial[level].base, rows: result.rows, columns: result.columns)
            let tokens =
                try add(node.lowerBound..<middle, shards, into: result, level: level)
                + add(middle..<node.upperBound, shards, into: right, level: level + 1)
            Kernels.add(result.base, right.base, into: result.base, count: result.rows * result.columns)
            return tokens
        }
        var tokens = 0
        try forEachBlock(shards.hiddenRows(first, count: rows)) { start, block in
            for i in 0..<block.rows {
                let row = first + start + i
                if let nats = differentiate(block.row(i), target: shards.target(row), bias: shards.bias.leaf) {
                    shards.losses[row / shards.shardRows] += nats
                    tokens += 1
                }
                if (row + 1) % shards.shardRows == 0 { shards.bias.endLeaf() }
            }
            clock.enter(.outputBackward)
            let hidden = shards.hiddenRows(first + start, count: block.rows)
            try multiply(block, by: weights, into: shards.gradientRows(first + start, count: block.rows))
            if node.count == 1 {
                try multiply(block, aTransposed: true, by: hidden, into: result, accumulate: start > 0)
            } else {
                shards.sums.multiply(block, by: hidden, Leaves(node.count, rows: shards.shardRows), into: result)
            }
        }
        return tokens
    }
}
