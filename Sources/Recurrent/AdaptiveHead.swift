import Kernels

/// Adaptive softmax (Grave et al. 2017): the head knows the frequent tokens and, as one class each, the tails; a tail's tokens
/// are told apart by a narrower softmax of their own, computed only for the rows whose target lies in it. Names and shapes are
/// those of `torch.nn.AdaptiveLogSoftmaxWithLoss`. docs/mathematics.md (33a) to (33d).
///
/// Rows are gathered for each softmax in the order of the sums: shard by shard, in each by time, then stream.
final class AdaptiveHead: Head {
    private let sums: GradientSums?
    private let clock: PhaseClock
    /// The head, then the tails.
    private let clusters: [SoftmaxCluster]
    /// The ids of each tail.
    private let tails: [Range<Int>]
    /// The blocks of `SparseRows` of each tail's parameters.
    private let blocks: [Range<Int32>]
    private let touchedBlocks: Integers
    private(set) var touched: UnsafeBufferPointer<Int32>
    private let nats: RowLosses  // [T*B]
    private(set) var shardLosses: [Double]
    private let distribution: Buffer  // [V]

    static func plan(_ model: ModelConfiguration, _ chunk: ChunkShape) -> LayerPlan {
        var plan = LayerPlan()
        plan.unshared = "model.softmax.name"
        guard case .adaptive(let softmax) = model.softmax else { preconditionFailure("another head") }
        let (range, h) = (InitialValues.uniform(model.initialRange), model.width(belowLayer: model.layers))
        let shapes = ClusterShape.all(model, softmax)
        let logits = chunk.values * Double(model.vocabulary)
        for shape in shapes {
            for name in shape.names {
                plan.parameters.append(ParameterPlan(name.name, name.shape, range, blockRows: shape.isTail ? SparseRows.blockRows(of: name.shape) : nil))
            }
            plan.products += shape.products(rows: Int((Double(chunk.rows) * shape.share).rounded(.up)), width: h)
        }
        plan.touched = plan.parameters.reduce(0) { $0 + SparseRows.blocks($1.shape, $1.blockRows) }
        plan.values = logits
        plan.packed = shapes.reduce(0) { $0 + $1.packed(width: h) }
        guard logits < 0x1p54 else { return plan }  // too much to be allocated
        plan.values = shapes.reduce(0) { $0 + $1.values(chunk) } + ClusterWorkspace.values(shapes, chunk, width: h)
            + RowLosses.values(chunk) + Double(model.vocabulary) + (chunk.training ? Double(plan.touched) : 0)
        return plan
    }

    init(_ model: ModelConfiguration, _ chunk: ChunkShape, parameters: Arena, sums: GradientSums?, clock: PhaseClock) throws {
        guard case .adaptive(let softmax) = model.softmax else { preconditionFailure("another head") }
        let shapes = ClusterShape.all(model, softmax)
        let workspace = ClusterWorkspace(shapes, chunk, width: model.width(belowLayer: model.layers))
        self.sums = sums
        self.clock = clock
        clusters = try shapes.map {
            try SoftmaxCluster($0, chunk, parameters: parameters, sums: sums, workspace: workspace, clock: clock)
        }
        tails = softmax.tails(model.vocabulary)
        let sparse = parameters.layout.sparseRows
        blocks = shapes.dropFirst().map { shape in
            let ranges = shape.names.map { sparse.blocks(of: $0.name) }
            return Int32(ranges[0].lowerBound)..<Int32(ranges.last!.upperBound)
        }
        touchedBlocks = Integers(count: chunk.training ? blocks.reduce(0) { $0 + $1.count } : 0)
        touched = UnsafeBufferPointer(start: touchedBlocks.base, count: 0)
        nats = RowLosses(chunk)
        shardLosses = Array(repeating: 0, count: sums?.isSharded == true ? sums!.shards : 0)
        distribution = Buffer(count: model.vocabulary)
    }

    func packWeights() throws { for cluster in clusters { cluster.packWeights() } }

    /// Gives each cluster the rows that need it.
    private func gather(rows: Int, targets: UnsafePointer<Int32>) -> Int {
        for cluster in clusters { cluster.begin() }
        let head = clusters[0]
        var predictions = 0
        for shard in 0..<(sums?.shards ?? 1) {
            for row in self.rows(of: shard, in: rows) where targets[row] >= 0 {
                let target = Int(targets[row])
                predictions += 1
                guard let tail = tails.lastIndex(where: { $0.lowerBound <= target }) else {
                    head.append(row, target: target)
                    continue
                }
                head.append(row, target: tails[0].lowerBound + tail)
                clusters[1 + tail].append(row, target: target - tails[tail].lowerBound)
            }
            for cluster in clusters { cluster.endShard(shard) }
        }
        return predictions
    }

    /// Those of a shard in the order of the sums; without sums those of a chunk.
    private func rows(of shard: Int, in rows: Int) -> ShardRows {
        sums?.rows(of: shard..<shard + 1, in: rows) ?? ShardRows(shards: 0..<1, steps: 1, width: rows, batch: rows)
    }

    func loss(_ hidden: Matrix, targets: UnsafePointer<Int32>, each: ((Int, Double) -> Void)?) throws -> LossSum {
        nats.clear(hidden.rows)
        var sum = LossSum(total: 0, tokens: gather(rows: hidden.rows, targets: targets))
        for cluster in clusters { try cluster.loss(hidden, nats) }
        for row in 0..<hidden.rows where targets[row] >= 0 {
            sum.total += nats[row]
            each?(row, nats[row])
        }
        return sum
    }

    func lossAndGradient(
        _ hidden: Matrix, targets: UnsafePointer<Int32>, hiddenGradient: Matrix, context: StepContext, each: ((Int, Double) -> Void)?
    ) throws -> LossSum {
        guard let sums else { preconditionFailure("a model made for evaluation") }
        nats.clear(hidden.rows)
        let predictions = gather(rows: hidden.rows, targets: targets)
        hiddenGradient.base.update(repeating: 0, count: hiddenGradient.rows * hiddenGradient.columns)
        for cluster in clusters { try cluster.lossAndGradient(hidden, hiddenGradient: hiddenGradient, nats) }
        noteTouched()
        if let each {
            for row in 0..<hidden.rows where targets[row] >= 0 { each(row, nats[row]) }
        }

        var total = 0.0
        for shard in 0..<sums.shards {
            var loss = 0.0
            for row in rows(of: shard, in: hidden.rows) { loss += nats[row] }
            if sums.isSharded { shardLosses[shard] = loss }
            total += loss
        }
        return LossSum(total: total, tokens: predictions)
    }

    /// The tails that some target lies in: all of their rows have a gradient.
    private func noteTouched() {
        var count = 0
        for (cluster, blocks) in zip(clusters.dropFirst(), blocks) where cluster.count > 0 {
            for block in blocks {
                touchedBlocks[count] = block
                count += 1
            }
        }
        touched = UnsafeBufferPointer(start: touchedBlocks.base, count: count)
    }

    /// Logarithms of probabilities up to the head's constant: a tail's are those within it, plus its logit in the head.
    func logits(of hidden: UnsafeMutablePointer<Float>) throws -> UnsafeMutableBufferPointer<Float> {
        let result = UnsafeMutableBufferPointer(start: distribution.base, count: distribution.count)
        let first = tails[0].lowerBound
        // The tails' logits in the head wait where the tails' first tokens will be.
        let head = try clusters[0].logits(of: hidden)
        copy(head, to: distribution.base, count: first)
        for (index, tail) in tails.enumerated() { result[tail.lowerBound] = head[first + index] }
        for (cluster, tail) in zip(clusters.dropFirst(), tails) {
            let own = result[tail.lowerBound]
            let logits = try cluster.logits(of: hidden)
            copy(logits, to: distribution.base + tail.lowerBound, count: tail.count)
            let chosen = Double(logits[0])
            let constant = chosen + crossEntropy(logits, bias: nil, count: tail.count, target: 0)
            let shift = Float(Double(own) - constant)
            for id in tail { result[id] += shift }
        }
        return result
    }
}

/// The loss of each row of a chunk, in nats.
final class RowLosses {
    private let memory: Buffer

    static func values(_ chunk: ChunkShape) -> Double { 2 * chunk.values }

    init(_ chunk: ChunkShape) { memory = Buffer(count: 2 * chunk.rows) }

    func clear(_ rows: Int) { memory.doubles.update(repeating: 0, count: rows) }

    subscript(row: Int) -> Double {
        get { memory.doubles[row] }
        set { memory.doubles[row] = newValue }
    }
}
