import Kernels

/// What the output layer needs where gradients are summed by shards: its rows in an order that blocks of logits can have, and sums of
/// nodes that are larger than a block. Of the sums, only those of this rank's tokens.
final class SoftmaxShards {
    let sums: GradientSums
    /// Nil where one block has all rows: it can have them in the order of the chunk.
    let ordered: OrderedRows?
    /// dL/d(bias) by shards, [tokens].
    let bias: TreeVector
    /// Sums of right children, [tokens, H] each.
    let partial: [Buffer]
    /// The loss of each shard in the last chunk, in nats.
    var losses: [Double]

    /// - Throws: transport errors.
    init(_ sums: GradientSums, _ chunk: ChunkShape, columns: Int, vocabulary: Int, blockRows: Int) throws {
        self.sums = sums
        let counts = sums.nodes.map(\.shards.count)
        ordered = chunk.rows <= blockRows ? nil : try OrderedRows(sums, chunk, columns: columns)
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
        let tokens = chunk.team.range(of: vocabulary).count
        let partials = partials(chunk.nodes, shardRows: chunk.steps * chunk.width, blockRows: blockRows)
        if chunk.rows > blockRows { OrderedRows.extend(&plan, chunk, columns: columns) }
        plan.values += Double(partials) * Double(tokens) * Double(columns)
        plan.values += Double(TreeVector.count(length: tokens, leaves: chunk.nodes.max()!))
    }
}

extension SoftmaxHead {
    /// As `lossAndGradient`, with the gradients of weights and bias summed by shards.
    func lossAndGradient(_ chunk: ShardedRows, _ shards: SoftmaxShards) throws -> LossSum {
        for shard in shards.losses.indices { shards.losses[shard] = 0 }
        let tokens = shards.ordered == nil ? try addAtOnce(chunk, shards) : try addInOrder(chunk, shards)
        return LossSum(total: shards.losses.reduce(0, +), tokens: tokens)
    }

    /// Of a node's gradient of the weights, the rows of this rank's tokens.
    private func ownWeightGradient(_ node: Int) -> Matrix {
        let own = team.range(of: vocabulary)
        return weightGradients[node].rows(own.lowerBound, count: own.count)
    }

    /// Runs all shards and sums the gradients of each node, from one block of logits.
    /// - Returns: the predictions.
    private func addAtOnce(_ rows: ShardedRows, _ shards: SoftmaxShards) throws -> Int {
        let own = team.range(of: vocabulary)
        var tokens = 0
        try forEachBlock(rows.hidden) { _, block in
            let ownTokens = block.columns(own.lowerBound, count: own.count)
            if !team.isAlone { try differentiateTogether(block, first: 0, targets: rows.targets) }
            for (index, node) in shards.sums.nodes.enumerated() {
                shards.bias.begin(leaves: node.shards.count)
                tokens += differentiate(block, ownTokens, first: 0, rows.leaves.places(node.shards), of: rows, shards)
                shards.bias.end(into: biasGradients[index] + own.lowerBound)
            }
            clock.enter(.outputBackward)
            try multiplyByWeights(block, into: rows.hiddenGradient)
            for index in shards.sums.nodes.indices {
                try shards.sums.multiply(ownTokens, by: rows.hidden, node: index, into: ownWeightGradient(index))
            }
            // Until nobody needs this block any more.
            try team.meet(clock)
        }
        return tokens
    }

    /// Runs one node after another.
    /// - Returns: the predictions.
    private func addInOrder(_ chunk: ShardedRows, _ shards: SoftmaxShards) throws -> Int {
        guard let ordered = shards.ordered else { preconditionFailure("rows in the order of the chunk") }
        clock.enter(.output)
        let rows = ordered.take(chunk)
        try team.meet(clock)
        var tokens = 0
        for (index, node) in shards.sums.nodes.enumerated() {
            shards.bias.begin(leaves: node.shards.count)
            tokens += try add(node.shards, of: rows, shards, into: ownWeightGradient(index), level: 0)
            shards.bias.end(into: biasGradients[index] + team.range(of: vocabulary).lowerBound)
        }
        ordered.give(into: chunk.hiddenGradient)
        return tokens
    }

    /// Runs these shards and sums their gradients of this rank's weights along the tree: at once where they fit into a block of
    /// logits, else one child after the other.
    /// - Returns: the predictions among them.
    private func add(_ node: Range<Int>, of rows: ShardedRows, _ shards: SoftmaxShards, into result: Matrix, level: Int) throws -> Int {
        let places = rows.leaves.places(node)
        if node.count > 1, places.count > blockRows {
            let middle = node.lowerBound + SumTree.leftLeaves(of: node.count)
            let right = Matrix(shards.partial[level].base, rows: result.rows, columns: result.columns)
            let tokens =
                try add(node.lowerBound..<middle, of: rows, shards, into: result, level: level)
                + add(middle..<node.upperBound, of: rows, shards, into: right, level: level + 1)
            Kernels.add(result.base, right.base, into: result.base, count: result.rows * result.columns)
            return tokens
        }
        let own = team.range(of: vocabulary)
        var tokens = 0
        try forEachBlock(rows.hidden.rows(places.lowerBound, count: places.count)) { start, block in
            let first = places.lowerBound + start
            let ownTokens = block.columns(own.lowerBound, count: own.count)
            if !team.isAlone { try differentiateTogether(block, first: first, targets: rows.targets) }
            tokens += differentiate(block, ownTokens, first: first, first..<first + block.rows, of: rows, shards)
            clock.enter(.outputBackward)
            let hidden = rows.hidden.rows(first, count: block.rows)
            try multiplyByWeights(block, into: rows.hiddenGradient.rows(first, count: block.rows))
            if node.count == 1 {
                try multiply(ownTokens, aTransposed: true, by: hidden, into: result, accumulate: start > 0)
            } else {
                // Counted from the block, which begins with a shard, its shards are the first ones.
                shards.sums.multiply(ownTokens, by: hidden, rows.leaves[0..<node.count], into: result)
            }
            // Until nobody needs this block any more.
            try team.meet(clock)
        }
        return tokens
    }

    /// Logits become the gradients of their rows' losses, if no team has made them so; the losses are added to those of the shards,
    /// and this rank's tokens to the gradient of the bias.
    /// - Parameters:
    ///   - first: the block's first row.
    ///   - places: of rows of the block among those of the shards.
    /// - Returns: the predictions among them.
    private func differentiate(
        _ block: Matrix, _ ownTokens: Matrix, first: Int, _ places: Range<Int>, of rows: ShardedRows, _ shards: SoftmaxShards
    ) -> Int {
        let shardRows = rows.hidden.rows / shards.losses.count
        var tokens = 0
        for place in places {
            let row = rows.leaves[row: place]
            let nats: Double?
            if team.isAlone {
                nats = differentiate(block.row(row - first), target: Int(rows.targets[row]), bias: shards.bias.leaf)
            } else {
                Kernels.add(shards.bias.leaf, ownTokens.row(row - first), into: shards.bias.leaf, count: ownTokens.columns)
                nats = rows.targets[row] < 0 ? nil : losses.doubles[row]
            }
            if let nats {
                shards.losses[place / shardRows] += nats
                tokens += 1
            }
            if (place + 1) % shardRows == 0 { shards.bias.endLeaf() }
        }
        return tokens
    }
}
