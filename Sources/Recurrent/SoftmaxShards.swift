import Kernels

/// What the output layer needs where gradients are summed by shards: its rows in the order of the sums, one shard after
/// another and in each by time, then stream; and sums of nodes that are larger than a block of logits. Of the sums, only those of this
/// rank's tokens.
final class SoftmaxShards {
    let sums: GradientSums
    private let batch: Int  // B
    private let columns: Int  // H
    /// The columns that this rank copies.
    private let units: Range<Int>
    private let hidden: Buffer  // [T*B, H]
    private let gradient: Buffer  // [T*B, H]
    let targets: Integers  // [T*B]
    /// The shards' rows, one shard after another.
    private let table: Leaves
    /// dL/d(bias) by shards, [tokens].
    let bias: TreeVector
    /// Sums of right children, [tokens, H] each.
    let partial: [Buffer]
    /// The loss of each shard in the last chunk, in nats.
    var losses: [Double]
    /// Rows of a shard in the last chunk.
    private(set) var shardRows = 0 {
        didSet { if shardRows != oldValue { table.fill(rows: shardRows) } }
    }

    /// - Throws: transport errors.
    init(_ sums: GradientSums, _ chunk: ChunkShape, columns: Int, vocabulary: Int, blockRows: Int) throws {
        self.sums = sums
        self.columns = columns
        batch = chunk.batch
        units = chunk.team.range(of: columns)
        hidden = try chunk.team.buffer(count: chunk.rows * columns)
        gradient = try chunk.team.buffer(count: chunk.rows * columns)
        targets = Integers(count: chunk.rows, repeating: -1)
        let counts = sums.nodes.map(\.shards.count)
        table = Leaves(sums.shards, mostRows: chunk.rows)
        let tokens = chunk.team.range(of: vocabulary).count
        bias = TreeVector(length: tokens, leaves: counts.max()!)
        let partials = SoftmaxShards.partials(counts, shardRows: chunk.steps * sums.width, blockRows: blockRows)
        partial = (0..<partials).map { _ in Buffer(count: tokens * columns) }
        losses = Array(repeating: 0, count: sums.shards)
    }

    private static func partials(_ nodes: [Int], shardRows: Int, blockRows: Int) -> Int {
        nodes.map { SumTree.partialSums(of: $0) { $0 * shardRows <= blockRows } }.max() ?? 0
    }

    /// Adds the values of four bytes that it allocates.
    static func extend(_ plan: inout LayerPlan, _ chunk: ChunkShape, vocabulary: Int, columns: Int, blockRows: Int) {
        let partials = partials(chunk.nodes, shardRows: chunk.steps * chunk.width, blockRows: blockRows)
        let (rows, tokens) = (2 * Double(columns) * chunk.values, chunk.team.range(of: vocabulary).count)
        plan.shared += rows
        plan.values += rows + chunk.values + Double(partials) * Double(tokens) * Double(columns)
        plan.values += Leaves.values(chunk.nodes.reduce(0, +), rows: chunk.values)
        plan.values += Double(TreeVector.count(length: tokens, leaves: chunk.nodes.max()!))
    }

    /// Takes this rank's columns of a chunk's rows [T*B, H], and targets [T*B].
    func take(_ source: Matrix, targets sourceTargets: UnsafePointer<Int32>) {
        shardRows = source.rows / batch * sums.width
        for shard in losses.indices { losses[shard] = 0 }
        forEachRun(source.rows) { from, to in
            copyRows(source.row(from), to: hidden.base + to * columns)
            (targets.base + to).update(from: sourceTargets + from, count: sums.width)
        }
    }

    /// Gives this rank's columns of the gradient of these rows back, in the order of the chunk.
    func give(into result: Matrix) {
        forEachRun(result.rows) { to, from in copyRows(gradient.base + from * columns, to: result.row(to)) }
    }

    /// This rank's columns of a shard's rows of one time step.
    private func copyRows(_ source: UnsafePointer<Float>, to destination: UnsafeMutablePointer<Float>) {
        if units.count == columns { return copy(source, to: destination, count: sums.width * columns) }
        for place in stride(from: units.lowerBound, to: sums.width * columns, by: columns) {
            copy(source + place, to: destination + place, count: units.count)
        }
    }

    /// The neighbouring rows of each shard and time step: where they are in the chunk, and where among the shards.
    private func forEachRun(_ rows: Int, _ body: (_ chunk: Int, _ ordered: Int) -> Void) {
        let (steps, width) = (rows / batch, sums.width)
        for shard in losses.indices {
            for step in 0..<steps { body(step * batch + shard * width, (shard * steps + step) * width) }
        }
    }

    /// The first shards of a block of rows that begins with one.
    func leaves(_ count: Int) -> Leaves { table[0..<count] }
    func hiddenRows(_ first: Int, count: Int) -> Matrix { Matrix(hidden.base + first * columns, rows: count, columns: columns) }
    func gradientRows(_ first: Int, count: Int) -> Matrix { Matrix(gradient.base + first * columns, rows: count, columns: columns) }
}

extension SoftmaxHead {
    /// As `lossAndGradient`, with the gradients of weights and bias summed by shards.
    func lossAndGradient(
        _ hidden: Matrix, targets: UnsafePointer<Int32>, hiddenGradient: Matrix, _ shards: SoftmaxShards
    ) throws -> LossSum {
        shards.take(hidden, targets: targets)
        try team.meet(clock)
        let own = team.range(of: vocabulary)
        var tokens = 0
        for (index, node) in shards.sums.nodes.enumerated() {
            shards.bias.begin(leaves: node.shards.count)
            tokens += try add(node.shards, shards, into: weightGradients[index].rows(own.lowerBound, count: own.count), level: 0)
            shards.bias.end(into: biasGradients[index] + own.lowerBound)
        }
        shards.give(into: hiddenGradient)
        return LossSum(total: shards.losses.reduce(0, +), tokens: tokens)
    }

    /// Runs these shards and sums their gradients of this rank's weights along the tree: at once where they fit into a block of
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
        let own = team.range(of: vocabulary)
        try forEachBlock(shards.hiddenRows(first, count: rows)) { start, block in
            let ownTokens = block.columns(own.lowerBound, count: own.count)
            tokens += try differentiate(block, ownTokens, first: first + start, shards)
            clock.enter(.outputBackward)
            let hidden = shards.hiddenRows(first + start, count: block.rows)
            try multiplyByWeights(block, into: shards.gradientRows(first + start, count: block.rows))
            if node.count == 1 {
                try multiply(ownTokens, aTransposed: true, by: hidden, into: result, accumulate: start > 0)
            } else {
                shards.sums.multiply(ownTokens, by: hidden, shards.leaves(node.count), into: result)
            }
            // Until nobody needs this block any more.
            try team.meet(clock)
        }
        return tokens
    }

    /// Logits become the gradients of their rows' losses, which are added to those of the shards, as this rank's tokens are to the
    /// gradient of the bias.
    /// - Parameter first: the block's first row among those of the shards.
    /// - Returns: the predictions in the block.
    private func differentiate(_ block: Matrix, _ ownTokens: Matrix, first: Int, _ shards: SoftmaxShards) throws -> Int {
        if !team.isAlone { try differentiateTogether(block, first: first, targets: shards.targets.base) }
        var tokens = 0
        for i in 0..<block.rows {
            let row = first + i
            let nats: Double?
            if team.isAlone {
                nats = differentiate(block.row(i), target: Int(shards.targets[row]), bias: shards.bias.leaf)
            } else {
                Kernels.add(shards.bias.leaf, ownTokens.row(i), into: shards.bias.leaf, count: ownTokens.columns)
                nats = shards.targets[row] < 0 ? nil : losses.doubles[row]
            }
            if let nats {
                shards.losses[row / shards.shardRows] += nats
                tokens += 1
            }
            if (row + 1) % shards.shardRows == 0 { shards.bias.endLeaf() }
        }
        return tokens
    }
}
