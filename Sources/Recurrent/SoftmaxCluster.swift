import Kernels

/// One softmax of an adaptive softmax, over the rows that need it: `y = softmax(W P h)` in a tail, `softmax(W h)` in the head.
final class SoftmaxCluster {
    private let weights: Matrix  // [C, P]
    private let projection: Matrix?  // [P, H]; nil in the head, where P = H
    private let gradients: [Gradients]  // one for each node
    private let product: PackedProduct  // [rows, P] x W^T
    private let projectionProduct: PackedProduct?  // [rows, H] x P^T
    private let sums: GradientSums?
    private let workspace: ClusterWorkspace
    private let clock: PhaseClock
    private let blockRows: Int
    /// The rows of the chunk that need it, and the class that each must predict, in the order of the sums.
    private let rows: Integers  // [T*B]
    private let targets: Integers  // [T*B]
    private(set) var count = 0
    /// Where the rows of each shard end.
    private var ends: [Int]

    /// Of the parameters, summed over some shards.
    private struct Gradients {
        let weights: Matrix
        let projection: Matrix?

        func clear() {
            weights.base.update(repeating: 0, count: weights.rows * weights.columns)
            if let projection { projection.base.update(repeating: 0, count: projection.rows * projection.columns) }
        }

        static func += (sum: Gradients, other: Gradients) {
            for (a, b) in [(sum.weights, other.weights), (sum.projection, other.projection)] {
                if let a, let b { Kernels.add(a.base, b.base, into: a.base, count: a.rows * a.columns) }
            }
        }
    }

    init(
        _ shape: ClusterShape, _ chunk: ChunkShape, parameters: Arena, sums: GradientSums?, workspace: ClusterWorkspace,
        clock: PhaseClock
    ) throws {
        let names = shape.names.map(\.name)
        weights = parameters.matrix(names.last!)
        projection = shape.isTail ? parameters.matrix(names[0]) : nil
        gradients = (sums?.nodes ?? []).map { node in
            Gradients(weights: node.gradients.matrix(names.last!), projection: shape.isTail ? node.gradients.matrix(names[0]) : nil)
        }
        blockRows = shape.blockRows(chunk)
        product = try PackedProduct(
            rows: blockRows, inputs: weights.columns, outputs: weights.rows, outputStride: Buffer.wholeLines(weights.rows),
            transposed: true, accumulate: false, packing: chunk.packers.packing)
        projectionProduct = try projection.map { [blockRows] in
            try PackedProduct(rows: blockRows, inputs: $0.columns, outputs: $0.rows, transposed: true, accumulate: false,
                packing: chunk.packers.packing)
        }
        self.sums = sums
        self.workspace = workspace
        self.clock = clock
        rows = Integers(count: chunk.rows)
        targets = Integers(count: chunk.rows)
        ends = Array(repeating: 0, count: sums?.shards ?? 1)
    }

    func packWeights() {
        product.pack(weights.base)
        if let projection { projectionProduct?.pack(projection.base) }
    }

    // MARK: Rows

    func begin() { count = 0 }

    func append(_ row: Int, target: Int) {
        rows[count] = Int32(row)
        targets[count] = Int32(target)
        count += 1
    }

    func endShard(_ shard: Int) { ends[shard] = count }

    // MARK: Losses

    /// One block of rows [n].
    private struct Block {
        let first: Int
        let hidden: Matrix  // [n, H]
        let projected: Matrix  // [n, P]
        let logits: Matrix  // [n, C]
    }

    /// Calls `body` for blocks of these places in the list of rows.
    private func forEachBlock(_ range: Range<Int>, _ hidden: Matrix, _ body: (Block) throws -> Void) throws {
        for first in stride(from: range.lowerBound, to: range.upperBound, by: blockRows) {
            let gathered = Matrix(workspace.hidden.base, rows: min(blockRows, range.upperBound - first), columns: hidden.columns)
            clock.enter(.output)
            for i in 0..<gathered.rows {
                copy(hidden.row(Int(rows[first + i])), to: gathered.row(i), count: hidden.columns)
            }
            let block = Block(
                first: first, hidden: gathered, projected: try project(gathered),
                logits: Matrix(
                    workspace.logits.base, rows: gathered.rows, columns: weights.rows, stride: Buffer.wholeLines(weights.rows)))
            try product.run(block.projected.base, into: block.logits.base, rows: gathered.rows)
            clock.enter(.softmax)
            try body(block)
        }
    }

    private func project(_ hidden: Matrix) throws -> Matrix {
        guard let projectionProduct else { return hidden }
        let projected = Matrix(workspace.projected.base, rows: hidden.rows, columns: weights.columns)
        try projectionProduct.run(hidden.base, into: projected.base, rows: hidden.rows)
        return projected
    }

    /// Adds each row's loss to `nats`.
    func loss(_ hidden: Matrix, _ nats: RowLosses) throws {
        try forEachBlock(0..<count, hidden) { block in
            for i in 0..<block.logits.rows {
                let place = block.first + i
                nats[Int(rows[place])] += crossEntropy(
                    block.logits.row(i), bias: nil, count: weights.rows, target: Int(targets[place]))
            }
        }
    }

    /// Adds each row's loss to `nats` and its gradient to that of the hidden values. The parameters' gradients are overwritten.
    func lossAndGradient(_ hidden: Matrix, hiddenGradient: Matrix, _ nats: RowLosses) throws {
        guard let sums else { preconditionFailure("a model made for evaluation") }
        for (node, gradients) in zip(sums.nodes, gradients) {
            try add(node.shards, hidden, hiddenGradient, nats, into: gradients, level: 0)
        }
    }

    /// The same for some shards, whose gradients are summed along the tree. A shard without rows adds zeros, so that nothing depends on
    /// which ranks have rows.
    private func add(
        _ shards: Range<Int>, _ hidden: Matrix, _ hiddenGradient: Matrix, _ nats: RowLosses, into result: Gradients, level: Int
    ) throws {
        let range = (shards.lowerBound == 0 ? 0 : ends[shards.lowerBound - 1])..<ends[shards.upperBound - 1]
        if range.isEmpty { return result.clear() }
        if shards.count == 1 { return try run(range, hidden, hiddenGradient, nats, into: result) }
        let middle = shards.lowerBound + SumTree.leftLeaves(of: shards.count)
        let right = partialSum(level)
        try add(shards.lowerBound..<middle, hidden, hiddenGradient, nats, into: result, level: level)
        try add(middle..<shards.upperBound, hidden, hiddenGradient, nats, into: right, level: level + 1)
        result += right
    }

    private func partialSum(_ level: Int) -> Gradients {
        let base = workspace.partial[level].base
        let weights = Matrix(base, rows: weights.rows, columns: weights.columns)
        return Gradients(
            weights: weights,
            projection: projection.map { Matrix(base + weights.rows * weights.columns, rows: $0.rows, columns: $0.columns) })
    }

    /// One chain over these places in the list of rows.
    private func run(
        _ range: Range<Int>, _ hidden: Matrix, _ hiddenGradient: Matrix, _ nats: RowLosses, into result: Gradients
    ) throws {
        try forEachBlock(range, hidden) { block in
            for i in 0..<block.logits.rows {
                let place = block.first + i
                nats[Int(rows[place])] += crossEntropyGradient(
                    block.logits.row(i), bias: nil, biasGradient: nil, count: weights.rows,
                    target: Int(targets[place]))
            }
            clock.enter(.outputBackward)
            let isFirst = block.first == range.lowerBound
            let n = block.logits.rows
            let below = Matrix(workspace.hiddenGradient.base, rows: n, columns: hidden.columns)
            try multiply(block.logits, aTransposed: true, by: block.projected, into: result.weights, accumulate: !isFirst)
            if let projection, let sum = result.projection {
                let projected = Matrix(workspace.projectedGradient.base, rows: n, columns: weights.columns)
                try multiply(block.logits, by: weights, into: projected)
                try multiply(projected, aTransposed: true, by: block.hidden, into: sum, accumulate: !isFirst)
                try multiply(projected, by: projection, into: below)
            } else {
                try multiply(block.logits, by: weights, into: below)
            }
            for i in 0..<n {
                let row = hiddenGradient.row(Int(rows[block.first + i]))
                Kernels.add(row, below.row(i), into: row, count: hidden.columns)
            }
        }
    }

    /// Logits [C] of one row [H]; valid until another cluster is asked.
    func logits(of hidden: UnsafeMutablePointer<Float>) throws -> UnsafeMutablePointer<Float> {
        let projected = try project(Matrix(hidden, rows: 1, columns: projection?.columns ?? weights.columns))
        try product.run(projected.base, into: workspace.logits.base, rows: 1)
        return workspace.logits.base
    }
}
