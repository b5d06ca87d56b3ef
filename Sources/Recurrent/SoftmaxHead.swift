import Kernels

/// `y = softmax(V h + c)` with cross-entropy, over blocks of rows: only one block of logits exists at a time, so a
/// vocabulary of 200,000 trains in bounded memory. Targets of -1 are not predictions: no loss, no gradient.
/// docs/mathematics.md (30) to (33).
final class SoftmaxHead: Head {
    let weights: Matrix  // [V, H], V being the number of labels for a model that predicts these
    let bias: UnsafeMutablePointer<Float>  // [V]
    private let sums: GradientSums?
    let weightGradients: [Matrix]  // one [V, H] for each node
    let biasGradients: [UnsafeMutablePointer<Float>]
    /// With shards: what their sums need.
    private let shards: SoftmaxShards?
    private let product: SlicedProduct  // [blockRows, H] x W^T, this rank's tokens
    private let logits: Buffer  // [blockRows, V], each row from a cache line on
    let team: Team
    let losses: Buffer  // of each row, [T*B, 2], as numbers in double precision; empty for a rank by itself
    let blockRows: Int
    let clock: PhaseClock

    /// Rows of one block, of as few equal ones as possible. Logits of 32 MiB can still be in a last-level cache when they are read
    /// again. But each block reads and writes all of the weights' gradient, so it may be larger, up to 128 MiB, while it has no
    /// more than 384 rows. It has one at least.
    static func blockRows(rows: Int, vocabulary: Int) -> Int {
        let most = max((8 << 20) / vocabulary, min(384, (32 << 20) / vocabulary), 1)
        let blocks = max(1, (rows + most - 1) / most)
        return max(1, (rows + blocks - 1) / blocks)
    }

    /// The parameter that is the output weights: with tied weights, the embedding.
    static func weightName(_ model: ModelConfiguration) -> String { model.tied ? Embedding.name : "decoder.weight" }

    static func plan(_ model: ModelConfiguration, _ chunk: ChunkShape) -> LayerPlan {
        let (rows, v, h) = (chunk.rows, model.outputs, model.width(belowLayer: model.layers))
        var plan = LayerPlan()
        plan.unshared = nil
        let rowsTouched = model.softmax.isSampled ? 1 : nil
        if !model.tied { plan.parameters.append(ParameterPlan(weightName(model), [v, h], .uniform(model.initialRange), blockRows: rowsTouched)) }
        plan.parameters.append(ParameterPlan("decoder.bias", [v], model.softmax.initialBias, blockRows: rowsTouched))
        plan.products = [
            ProductPlan(.output, rows, v, h),
            ProductPlan(.outputBackward, rows, h, v),
            ProductPlan(.outputBackward, v, h, rows),
        ]
        let logits = chunk.values * Double(v)
        plan.packed = SlicedProduct.count(inputs: h, outputs: chunk.team.slices(ofBlocks: 1, width: v))
        plan.values = logits
        guard logits < 0x1p54 else { return plan }  // too much to be allocated
        let blockRows = blockRows(rows: rows, vocabulary: v)
        plan.values = Double(blockRows * Buffer.wholeLines(v))
        plan.shared = plan.values
        if chunk.training, !chunk.team.isAlone {
            plan.shared += 2 * chunk.values
            plan.values += 2 * chunk.values
        }
        if chunk.training, !chunk.nodes.isEmpty {
            SoftmaxShards.extend(&plan, chunk, vocabulary: v, columns: h, blockRows: blockRows)
        }
        return plan
    }

    init(_ model: ModelConfiguration, _ chunk: ChunkShape, parameters: Arena, sums: GradientSums?, clock: PhaseClock) throws {
        let weightName = SoftmaxHead.weightName(model)
        weights = parameters.matrix(weightName)
        bias = parameters.matrix("decoder.bias").base
        self.sums = sums
        weightGradients = sums?.gradients(of: weightName) ?? []
        biasGradients = sums?.gradients(of: "decoder.bias").map(\.base) ?? []
        self.clock = clock
        blockRows = SoftmaxHead.blockRows(rows: chunk.rows, vocabulary: weights.rows)
        team = chunk.team
        product = try SlicedProduct(
            rows: blockRows, inputs: weights.columns, outputs: chunk.team.slices(ofBlocks: 1, width: weights.rows),
            outputStride: Buffer.wholeLines(weights.rows), transposed: true, accumulate: false, packing: chunk.packers.packing)
        logits = try chunk.team.buffer(count: blockRows * Buffer.wholeLines(weights.rows))
        losses = chunk.training && !chunk.team.isAlone ? try chunk.team.buffer(count: 2 * chunk.rows) : Buffer(count: 0)
        shards =
            if let sums, sums.isSharded {
                try SoftmaxShards(
                    sums, chunk, columns: weights.columns, vocabulary: weights.rows, blockRows: blockRows)
            } else { nil }
    }

    var shardLosses: [Double] { shards?.losses ?? [] }

    func packWeights() throws { product.pack(weights) }

    var vocabulary: Int { weights.rows }

    /// Calls `body(first row, W h [n, V])` for the rows of `hidden` [N, H] in blocks, without the bias.
    func forEachBlock(_ hidden: Matrix, _ body: (_ first: Int, _ logits: Matrix) throws -> Void) throws {
        for first in stride(from: 0, to: hidden.rows, by: blockRows) {
            let block = Matrix(
                logits.base, rows: min(blockRows, hidden.rows - first), columns: vocabulary, stride: Buffer.wholeLines(vocabulary))
            clock.enter(.output)
            try product.run(hidden.row(first), into: block.base, rows: block.rows)
            clock.enter(.softmax)
            try body(first, block)
        }
    }

    func loss(_ hidden: Matrix, targets: UnsafePointer<Int32>, each: ((Int, Double) -> Void)?) throws -> LossSum {
        var sum = LossSum()
        try forEachBlock(hidden) { first, block in
            for i in 0..<block.rows where targets[first + i] >= 0 {
                let nats = crossEntropy(block.row(i), bias: bias, count: vocabulary, target: Int(targets[first + i]))
                sum += LossSum(total: nats, tokens: 1)
                each?(first + i, nats)
            }
        }
        return sum
    }

    func lossAndGradient(
        _ hidden: Matrix, targets: UnsafePointer<Int32>, hiddenGradient: Matrix, context: StepContext, each: ((Int, Double) -> Void)?
    ) throws -> LossSum {
        precondition(sums != nil, "a model made for evaluation")
        if let shards, let leaves = sums?.leaves(rows: hidden.rows) {
            let rows = ShardedRows(hidden: hidden, hiddenGradient: hiddenGradient, targets: targets, leaves: leaves)
            return try lossAndGradient(rows, shards)
        }
        if !team.isAlone { return try lossAndGradientOfTeam(hidden, targets: targets, hiddenGradient: hiddenGradient, each: each) }
        let (weightGradients, biasGradients) = (weightGradients[0], biasGradients[0])
        var sum = LossSum()
        biasGradients.update(repeating: 0, count: vocabulary)
        try forEachBlock(hidden) { first, block in
            for i in 0..<block.rows {
                guard let nats = differentiate(block.row(i), target: Int(targets[first + i]), bias: biasGradients) else { continue }
                sum += LossSum(total: nats, tokens: 1)
                each?(first + i, nats)
            }
            clock.enter(.outputBackward)
            let rows = hidden.rows(first, count: block.rows)
            try multiply(block, by: weights, into: hiddenGradient.rows(first, count: block.rows))
            try multiply(block, aTransposed: true, by: rows, into: weightGradients, accumulate: first > 0)
        }
        return sum
    }

    /// As `lossAndGradient`, together with the other ranks of the team: products and gradients of this rank's tokens or units, the
    /// softmax of this rank's rows.
    private func lossAndGradientOfTeam(
        _ hidden: Matrix, targets: UnsafePointer<Int32>, hiddenGradient: Matrix, each: ((Int, Double) -> Void)?
    ) throws -> LossSum {
        let tokens = team.range(of: vocabulary)
        let weightGradients = weightGradients[0].rows(tokens.lowerBound, count: tokens.count)
        let biasGradients = biasGradients[0] + tokens.lowerBound
        biasGradients.update(repeating: 0, count: tokens.count)
        try forEachBlock(hidden) { first, block in
            try differentiateTogether(block, first: first, targets: targets)
            let ownTokens = block.columns(tokens.lowerBound, count: tokens.count)
            for i in 0..<block.rows { add(biasGradients, ownTokens.row(i), into: biasGradients, count: tokens.count) }
            clock.enter(.outputBackward)
            try multiplyByWeights(block, into: hiddenGradient.rows(first, count: block.rows))
            try multiply(
                ownTokens, aTransposed: true, by: hidden.rows(first, count: block.rows), into: weightGradients, accumulate: first > 0)
            // Until nobody needs this block any more.
            try team.meet(clock)
        }
        return (0..<hidden.rows).reduce(into: LossSum()) { sum, row in
            if targets[row] < 0 { return }
            sum += LossSum(total: losses.doubles[row], tokens: 1)
            each?(row, losses.doubles[row])
        }
    }

    /// Logits become the gradients of their rows' losses, which are kept: each rank of the team takes some rows.
    /// - Parameter first: the block's first row among `targets`.
    func differentiateTogether(_ block: Matrix, first: Int, targets: UnsafePointer<Int32>) throws {
        try team.meet(clock)
        for i in team.range(of: block.rows) {
            losses.doubles[first + i] = differentiate(block.row(i), target: Int(targets[first + i]), bias: nil) ?? 0
        }
        try team.meet(clock)
    }

    /// From the gradient of a block of logits to that of what the head reads, this rank's units of it.
    func multiplyByWeights(_ block: Matrix, into gradient: Matrix) throws {
        let units = team.range(of: gradient.columns)
        try multiply(
            block, by: weights.columns(units.lowerBound, count: units.count),
            into: gradient.columns(units.lowerBound, count: units.count))
    }

    /// Logits become the gradient of their row's loss, which is added to `sum` too, if there is one; without a target, zero.
    /// - Returns: the loss in nats; nil without a target.
    @inline(__always)
    func differentiate(
        _ logits: UnsafeMutablePointer<Float>, target: Int, bias sum: UnsafeMutablePointer<Float>?
    ) -> Double? {
        if target < 0 {
            logits.update(repeating: 0, count: vocabulary)
            return nil
        }
        return crossEntropyGradient(logits, bias: bias, biasGradient: sum, count: vocabulary, target: target)
    }

    func logits(of hidden: UnsafeMutablePointer<Float>) throws -> UnsafeMutableBufferPointer<Float> {
        try forEachBlock(Matrix(hidden, rows: 1, columns: weights.columns)) { _, block in
            add(block.base, bias, into: block.base, count: vocabulary)
        }
        return UnsafeMutableBufferPointer(start: logits.base, count: vocabulary)
    }
}
