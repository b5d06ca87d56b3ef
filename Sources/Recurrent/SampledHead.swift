import Kernels

/// `y = V h + c` for the targets and K noise samples of a step alone: training of a softmax over a large vocabulary. Only their
/// rows have a gradient. docs/mathematics.md (33f) to (33i).
///
/// The samples are shared by all rows, so that their scores are one product. Rows of the chunk are taken in the order of the sums: shard
/// by shard, in each by time, then stream. What a step touches of weights and bias lies side by side while it is summed.
final class SampledHead: Head {
    private let softmax: SampledSoftmax
    private let weights: Matrix  // [V, H]
    private let bias: UnsafeMutablePointer<Float>  // [V]
    private let sums: GradientSums
    private let weightGradients: [Matrix]  // one [V, H] for each node
    private let biasGradients: [UnsafeMutablePointer<Float>]
    private let clock: PhaseClock
    private let noise: NoiseSamples
    private let blockRows: Int

    private let sampleWeights: Matrix  // [K, H]
    private let sampleOffsets: Matrix  // [1, K]: bias less correction
    private let hidden: Matrix  // [rows, H], gathered
    private let hiddenGradient: Matrix  // [rows, H]
    private let scores: Matrix  // [rows, K]
    private let sampleGradients: Matrix  // [K, H]
    private let sampleBiasGradients: Matrix  // [1, K]
    /// The chunk's rows of a block.
    private let blockPlaces: Integers  // [rows]
    /// The tokens that the step touches, each once, and the place of each token among them, -1 for none.
    private let tokens: Integers  // [T*B + K]
    private let places: Integers  // [V]
    private var tokenCount = 0
    /// Their gradients side by side, weights then bias: of the node, and of right children in the tree.
    private let compact: [Matrix]  // [T*B + K, H + 1]
    private let touchedBlocks: Integers
    private(set) var touched: UnsafeBufferPointer<Int32>
    private(set) var shardLosses: [Double]
    private let buffers: [Buffer]

    static func plan(_ model: ModelConfiguration, _ chunk: ChunkShape) -> LayerPlan {
        guard case .sampled(let softmax) = model.softmax else { preconditionFailure("another head") }
        var plan = SoftmaxHead.plan(model, chunk)
        plan.unshared = "model.softmax.name"
        let (rows, h, k) = (chunk.rows, model.width(belowLayer: model.layers), softmax.samples)
        plan.products = [
            ProductPlan(.output, rows, k, h), ProductPlan(.outputBackward, rows, h, k), ProductPlan(.outputBackward, k, h, rows),
        ]
        let most = rows + k
        plan.touched = 2 * most
        plan.packed = 0
        let blockRows = SoftmaxHead.blockRows(rows: rows, vocabulary: k)
        plan.values = NoiseSamples.values(softmax) + Double(2 * (k * h + k)) + Double(blockRows * (2 * h + Buffer.wholeLines(k) + 1))
        plan.values += Double(most + model.vocabulary + 2 * most) + Double((1 + chunk.partialSums) * most * (h + 1))
        return plan
    }

    init(_ model: ModelConfiguration, _ chunk: ChunkShape, parameters: Arena, sums: GradientSums?, clock: PhaseClock) throws {
        guard case .sampled(let softmax) = model.softmax, let sums else { preconditionFailure("another head, or for evaluation") }
        let weightName = SoftmaxHead.weightName(model)
        self.softmax = softmax
        self.sums = sums
        self.clock = clock
        weights = parameters.matrix(weightName)
        bias = parameters.matrix("decoder.bias").base
        weightGradients = sums.gradients(of: weightName)
        biasGradients = sums.gradients(of: "decoder.bias").map(\.base)
        noise = NoiseSamples(softmax)
        let (h, k, most) = (weights.columns, softmax.samples, chunk.rows + softmax.samples)
        blockRows = SoftmaxHead.blockRows(rows: chunk.rows, vocabulary: k)
        var buffers: [Buffer] = []
        func matrix(_ rows: Int, _ columns: Int, stride: Int? = nil) -> Matrix {
            buffers.append(Buffer(count: rows * (stride ?? columns)))
            return Matrix(buffers.last!.base, rows: rows, columns: columns, stride: stride)
        }
        sampleWeights = matrix(k, h)
        sampleOffsets = matrix(1, k)
        hidden = matrix(blockRows, h)
        hiddenGradient = matrix(blockRows, h)
        scores = matrix(blockRows, k, stride: Buffer.wholeLines(k))
        sampleGradients = matrix(k, h)
        sampleBiasGradients = matrix(1, k)
        compact = (0...chunk.partialSums).map { _ in matrix(most, h + 1) }
        self.buffers = buffers
        tokens = Integers(count: most)
        places = Integers(count: model.vocabulary, repeating: -1)
        blockPlaces = Integers(count: blockRows)
        touchedBlocks = Integers(count: 2 * most)
        touched = UnsafeBufferPointer(start: touchedBlocks.base, count: 0)
        let sparse = parameters.layout.sparseRows
        firstBlocks = (Int32(sparse.blocks(of: weightName).lowerBound), Int32(sparse.blocks(of: "decoder.bias").lowerBound))
        shardLosses = Array(repeating: 0, count: sums.isSharded ? sums.shards : 0)
    }

    private let firstBlocks: (weights: Int32, bias: Int32)

    /// Rows are read where they lie.
    func packWeights() {}

    func loss(_ hidden: Matrix, targets: UnsafePointer<Int32>, each: ((Int, Double) -> Void)?) -> LossSum {
        preconditionFailure("evaluated with the full softmax")
    }

    func logits(of hidden: UnsafeMutablePointer<Float>) -> UnsafeMutableBufferPointer<Float> {
        preconditionFailure("evaluated with the full softmax")
    }

    func lossAndGradient(
        _ hidden: Matrix, targets: UnsafePointer<Int32>, hiddenGradient: Matrix, context: StepContext, each: ((Int, Double) -> Void)?
    ) throws -> LossSum {
        clearTouched()
        noise.draw(context)
        clock.enter(.output)
        takeSamples()
        for row in 0..<hidden.rows where targets[row] >= 0 { touch(targets[row]) }
        hiddenGradient.base.update(repeating: 0, count: hiddenGradient.rows * hiddenGradient.columns)
        var total = LossSum()
        for (index, node) in sums.nodes.enumerated() {
            total += try add(node.shards, hidden, targets, hiddenGradient, level: 0, each)
            for place in 0..<tokenCount {
                let (token, row) = (Int(tokens[place]), compact[0].row(place))
                copy(row, to: weightGradients[index].row(token), count: weights.columns)
                biasGradients[index][token] = row[weights.columns]
            }
        }
        return total
    }

    // MARK: What the step touches

    private func clearTouched() {
        for place in 0..<tokenCount {
            let token = Int(tokens[place])
            for index in weightGradients.indices {
                weightGradients[index].row(token).update(repeating: 0, count: weights.columns)
                biasGradients[index][token] = 0
            }
            places[token] = -1
        }
        tokenCount = 0
    }

    private func touch(_ token: Int32) {
        guard places[Int(token)] < 0 else { return }
        places[Int(token)] = Int32(tokenCount)
        tokens[tokenCount] = token
        touchedBlocks[2 * tokenCount] = firstBlocks.weights + token
        touchedBlocks[2 * tokenCount + 1] = firstBlocks.bias + token
        tokenCount += 1
        touched = UnsafeBufferPointer(start: touchedBlocks.base, count: 2 * tokenCount)
    }

    private func takeSamples() {
        for sample in 0..<softmax.samples {
            let token = Int(noise.tokens[sample])
            copy(weights.row(token), to: sampleWeights.row(sample), count: weights.columns)
            sampleOffsets.base[sample] = bias[token] - noise.corrections.base[token]
            touch(Int32(token))
        }
    }

    // MARK: Sums

    /// The sums over some shards along the tree, into `compact[level]`.
    private func add(
        _ shards: Range<Int>, _ hidden: Matrix, _ targets: UnsafePointer<Int32>, _ hiddenGradient: Matrix, level: Int,
        _ each: ((Int, Double) -> Void)?
    ) throws -> LossSum {
        if shards.count == 1 { return try add(shards.lowerBound, hidden, targets, hiddenGradient, into: compact[level], each) }
        let middle = shards.lowerBound + SumTree.leftLeaves(of: shards.count)
        var sum = try add(shards.lowerBound..<middle, hidden, targets, hiddenGradient, level: level, each)
        sum += try add(middle..<shards.upperBound, hidden, targets, hiddenGradient, level: level + 1, each)
        Kernels.add(
            compact[level].base, compact[level + 1].base, into: compact[level].base, count: tokenCount * (weights.columns + 1))
        return sum
    }

    /// One shard: its targets row by row, then the samples.
    private func add(
        _ shard: Int, _ chunk: Matrix, _ targets: UnsafePointer<Int32>, _ chunkGradient: Matrix, into result: Matrix,
        _ each: ((Int, Double) -> Void)?
    ) throws -> LossSum {
        let h = weights.columns
        result.base.update(repeating: 0, count: tokenCount * (h + 1))
        sampleGradients.base.update(repeating: 0, count: softmax.samples * h)
        sampleBiasGradients.base.update(repeating: 0, count: softmax.samples)
        let rows = sums.rows(of: shard..<shard + 1, in: chunk.rows)
        var sum = LossSum()
        var place = 0
        while place < rows.count {
            var count = 0
            clock.enter(.output)
            // A block of rows that have a target.
            while place < rows.count, count < blockRows {
                let row = rows[place]
                if targets[row] >= 0 {
                    copy(chunk.row(row), to: hidden.row(count), count: h)
                    blockPlaces[count] = Int32(row)
                    count += 1
                }
                place += 1
            }
            if count == 0 { continue }
            let (block, scores) = (hidden.rows(0, count: count), scores.rows(0, count: count))
            try multiply(block, by: sampleWeights, bTransposed: true, into: scores)
            clock.enter(.softmax)
            for i in 0..<count {
                let row = Int(blockPlaces[i])
                let nats = differentiate(i, target: targets[row], chunkGradient.row(row), into: result)
                sum += LossSum(total: nats, tokens: 1)
                each?(row, nats)
            }
            clock.enter(.outputBackward)
            let below = hiddenGradient.rows(0, count: count)
            try multiply(scores, by: sampleWeights, into: below)
            try multiply(scores, aTransposed: true, by: block, into: sampleGradients, accumulate: true)
            for i in 0..<count {
                let row = chunkGradient.row(Int(blockPlaces[i]))
                Kernels.add(row, below.row(i), into: row, count: h)
            }
        }
        for sample in 0..<softmax.samples {
            let row = result.row(Int(places[Int(noise.tokens[sample])]))
            Kernels.add(row, sampleGradients.row(sample), into: row, count: h)
            row[h] += sampleBiasGradients.base[sample]
        }
        if sums.isSharded { shardLosses[shard] = sum.total }
        return sum
    }

    /// Row `i` of the block: its scores become their gradient, and the target's is added to what it belongs to.
    /// - Returns: the loss in nats.
    private func differentiate(_ i: Int, target: Int32, _ below: UnsafeMutablePointer<Float>, into result: Matrix) -> Double {
        let (h, row) = (weights.columns, hidden.row(i))
        let samples = SampleScores(
            scores.row(i), offsets: sampleOffsets.base, sums: sampleBiasGradients.base, tokens: noise.tokens.base, count: softmax.samples)
        let own = weights.row(Int(target))
        var delta = dot(own, row, count: h) + bias[Int(target)] - noise.corrections.base[Int(target)]
        let nats = softmax.loss.differentiate(target, target: &delta, samples)
        let gradient = result.row(Int(places[Int(target)]))
        for place in LaneBlocks(h) {
            Row(gradient)[place] = Row(gradient)[place] + Row(row)[place] * delta
            Row(below)[place] = Row(below)[place] + Row(own)[place] * delta
        }
        gradient[h] += delta
        return nats
    }
}
