import Kernels

/// Token ids to vectors: row `id` of the embedding [V, E]. docs/mathematics.md (5) and (6).
final class Embedding: InputEncoder {
    private let weights: Matrix  // [V, E]
    private let sums: GradientSums?
    /// Whether `backward` adds to rows that nobody else overwrites. With shards a tied embedding's own gradient is apart from the
    /// output layer's.
    private let clearsGradients: Bool
    /// The columns of gradients that are this rank's.
    private let columns: Range<Int>
    /// With shards: the place among their rows of each token's first row, and of the next of the same token; -1 for none.
    private let heads: Integers  // [V]
    private let nexts: Integers  // [T*B]
    private let partial: Buffer  // [levels, columns]

    static let name = "encoder.weight"

    static func plan(_ model: ModelConfiguration, _ chunk: ChunkShape) -> LayerPlan {
        let range = model.initialEmbeddingRange ?? model.initialRange
        // A full softmax gives all rows of a tied embedding a gradient.
        let isSparse = (!model.tied || model.softmax.isSampled) && !model.freezesEmbedding
        var plan = LayerPlan()
        plan.unshared = model.freezesEmbedding ? "model.freeze_embedding" : nil
        plan.parameters = [
            ParameterPlan(name, [model.vocabulary, model.embedding], .uniform(range), blockRows: isSparse ? 1 : nil, isFrozen: model.freezesEmbedding)
        ]
        plan.touched = isSparse ? chunk.rows : 0
        if chunk.training, !chunk.nodes.isEmpty {
            let columns = chunk.team.range(of: model.embedding).count
            plan.values = Double(model.vocabulary) + chunk.values + Double(chunk.partialSums) * Double(columns)
        }
        return plan
    }

    /// - Parameter sums: nil for evaluation.
    init(_ model: ModelConfiguration, _ chunk: ChunkShape, parameters: Arena, sums: GradientSums?) {
        weights = parameters.matrix(Embedding.name)
        self.sums = sums
        columns = chunk.team.range(of: weights.columns)
        let isSharded = sums?.isSharded ?? false
        clearsGradients = !model.freezesEmbedding && (!model.tied || model.softmax.isSampled || isSharded)
        heads = Integers(count: isSharded ? weights.rows : 0, repeating: -1)
        nexts = Integers(count: isSharded ? chunk.rows : 0, repeating: -1)
        partial = Buffer(count: isSharded ? chunk.partialSums * columns.count : 0)
    }

    /// Rows are copied as they are.
    func packWeights() {}

    /// - Parameter tokens: [N], each in 0 ..< V.
    func forward(_ tokens: UnsafePointer<Int32>, into output: Matrix) {
        for i in 0..<output.rows { copy(weights.row(Int(tokens[i])), to: output.row(i), count: weights.columns) }
    }

    /// Adds row i of `outputGradient` [N, E] to the gradient of token i. The rest of the gradient is left as it is: zero, if
    /// rows are cleared after use, or the output layer's share with tied weights.
    ///
    /// Without shards in the order of the tokens. With shards each row's tokens of one shard are added up in the order of their places, and
    /// the shards along the tree; one without the token adds nothing. The rows must be zero.
    func backward(_ tokens: UnsafePointer<Int32>, outputGradient: Matrix, leaves: Leaves?) {
        guard let sums else { preconditionFailure("a model made for evaluation") }
        let outputGradient = outputGradient.columns(columns.lowerBound, count: columns.count)
        guard let leaves else {
            let gradients = sums.nodes[0].embedding
            for i in 0..<outputGradient.rows {
                let sum = gradients.row(Int(tokens[i])) + columns.lowerBound
                add(sum, outputGradient.row(i), into: sum, count: columns.count)
            }
            return
        }
        for node in sums.nodes {
            let places = leaves.places(node.shards)
            for place in places.reversed() {
                let token = Int(tokens[leaves[row: place]])
                nexts[place] = heads[token]
                heads[token] = Int32(place)
            }
            for place in places {
                let token = Int(tokens[leaves[row: place]])
                guard heads[token] == Int32(place) else { continue }  // the token is done
                heads[token] = -1
                var next = place
                _ = sum(
                    &next, outputGradient, leaves, of: node.shards, into: node.embedding.row(token) + columns.lowerBound, level: 0)
            }
        }
    }

    /// The sum over these shards of the gradients of one token's rows, of which `next` is the first that is not added yet.
    /// - Returns: false where there are none, which leaves `result` as it is.
    private func sum(
        _ next: inout Int, _ gradient: Matrix, _ leaves: Leaves, of shards: Range<Int>, into result: UnsafeMutablePointer<Float>,
        level: Int
    ) -> Bool {
        guard leaves.places(shards).contains(next) else { return false }
        if shards.count == 1 {
            // 0 + x and not x: a sum of some shards is never -0, so that one without the token need not be added.
            result.update(repeating: 0, count: columns.count)
            while leaves.places(shards).contains(next) {
                add(result, gradient.row(leaves[row: next]), into: result, count: columns.count)
                next = Int(nexts[next])
            }
            return true
        }
        let middle = shards.lowerBound + SumTree.leftLeaves(of: shards.count)
        guard sum(&next, gradient, leaves, of: shards.lowerBound..<middle, into: result, level: level) else {
            return sum(&next, gradient, leaves, of: middle..<shards.upperBound, into: result, level: level)
        }
        let right = partial.base + level * columns.count
        if sum(&next, gradient, leaves, of: middle..<shards.upperBound, into: right, level: level + 1) {
            add(result, right, into: result, count: columns.count)
        }
        return true
    }

    /// Clears the gradients of these tokens: a few rows, where the whole gradient has V.
    func clearGradients(of tokens: UnsafePointer<Int32>, count: Int) {
        guard let sums, clearsGradients else { return }
        for node in sums.nodes {
            for i in 0..<count {
                (node.embedding.row(Int(tokens[i])) + columns.lowerBound).update(repeating: 0, count: columns.count)
            }
        }
    }
}
