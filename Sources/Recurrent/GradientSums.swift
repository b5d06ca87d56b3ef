import Kernels

/// Where the gradients of a model's rows [T*B] go, and in which order the rows are added up.
///
/// Without shards that is one chain over all rows. With shards of `width` neighbouring streams the rows of each shard are a
/// chain, and the shards are added up along `SumTree`: in nodes, each with a gradient of its own. Forward and backward pass
/// are those of all streams together.
package final class GradientSums {
    /// A sum over neighbouring shards.
    package struct Node {
        /// Counted from the model's first stream.
        package let shards: Range<Int>
        package let gradients: Arena
        /// The gradient of the embedding [V, E]. In a tied model it is kept apart from the output layer's share of the same weights,
        /// because the two orders of sums have nothing in common.
        package let embedding: Matrix

        package init(shards: Range<Int>, gradients: Arena, embedding: Matrix? = nil) {
            self.shards = shards
            self.gradients = gradients
            self.embedding = embedding ?? gradients.matrix("encoder.weight")
        }
    }

    package let nodes: [Node]
    /// Streams of a shard.
    package let width: Int
    /// The model's shards; 1 without.
    var shards: Int { nodes.last!.shards.upperBound }
    /// Whether there are shards.
    let isSharded: Bool
    private let batch: Int
    /// With shards: their rows in the chunk that `leaves(rows:)` was asked for last.
    private let table: Leaves?
    private var tableRows = 0
    /// Nil where every node is one chain over all rows.
    private let product: TreeProduct?
    private let vector: TreeVector?

    /// One chain over all rows.
    package init(_ gradients: Arena, batch: Int) {
        nodes = [Node(shards: 0..<1, gradients: gradients)]
        width = batch
        isSharded = false
        self.batch = batch
        table = nil
        product = nil
        vector = nil
    }

    /// - Parameters:
    ///   - nodes: in order, together all of the model's shards.
    ///   - width: streams of a shard.
    ///   - steps: T, the longest chunk.
    /// - Throws: `VectorsError`.
    package init(_ model: ModelConfiguration, nodes: [Node], width: Int, steps: Int) throws {
        let sizes = Sizes(model, ChunkShape(steps: steps, batch: nodes.last!.shards.upperBound * width, training: true))
        self.nodes = nodes
        self.width = width
        isSharded = true
        let shards = nodes.last!.shards.upperBound
        batch = shards * width
        table = Leaves(shards, mostRows: steps * shards * width)
        let largest = nodes.map(\.shards.count).max()!
        product = shards == 1 ? nil : try TreeProduct(rows: largest * width * steps, columns: sizes.inputs)
        vector = shards == 1 ? nil : TreeVector(length: sizes.outputs, leaves: largest)
    }

    /// Values of what sums need beside the nodes' gradients.
    static func values(_ model: ModelConfiguration, _ chunk: ChunkShape) -> Double {
        let shards = chunk.nodes.reduce(0, +)
        if shards == 0 { return 0 }
        let table = Leaves.values(shards, rows: chunk.values)
        if shards == 1 { return table }
        let (sizes, largest) = (Sizes(model, chunk), chunk.nodes.max()!)
        return table
            + Double(
                TreeProduct.count(rows: largest * chunk.width * chunk.steps, columns: sizes.inputs)
                    + TreeVector.count(length: sizes.outputs, leaves: largest))
    }

    /// The widest input and the widest output of any weights whose gradients are summed here.
    private struct Sizes {
        let inputs: Int
        let outputs: Int

        init(_ model: ModelConfiguration, _ chunk: ChunkShape) {
            let gradients = model.plans(chunk).flatMap(\.products).filter { $0.phase == .weightGradients }
            inputs = max(model.widest, gradients.map(\.columns).max() ?? 0)
            outputs = gradients.map(\.rows).max() ?? 0
        }
    }

    /// With shards: which of the chunk's rows [T*B] each of them has, in the order of the sums.
    func leaves(rows: Int) -> Leaves? {
        if let table, tableRows != rows {
            table.fill(steps: rows / batch, width: width, batch: batch)
            tableRows = rows
        }
        return table
    }

    /// `result = a^T b` over the rows of node `index`.
    package func multiply(_ a: Matrix, by b: Matrix, node index: Int, into result: Matrix) throws {
        guard let product, let leaves = leaves(rows: a.rows) else {
            return try Kernels.multiply(a, aTransposed: true, by: b, into: result)
        }
        product.multiply(a, by: b, leaves[nodes[index].shards], into: result)
    }

    /// `result = ` the sum of `matrix`'s rows of node `index`.
    package func sumRows(_ matrix: Matrix, node index: Int, into result: UnsafeMutablePointer<Float>) {
        guard let vector, let leaves = leaves(rows: matrix.rows) else { return Kernels.sumRows(matrix, into: result) }
        vector.sumRows(matrix, leaves[nodes[index].shards], into: result)
    }

    /// The same over rows that the caller has put in order.
    func multiply(_ a: Matrix, by b: Matrix, _ leaves: Leaves, into result: Matrix) {
        guard let product else { preconditionFailure("one shard is no tree") }
        product.multiply(a, by: b, leaves, into: result)
    }

    /// Where the gradient of a parameter goes, one matrix for each node.
    package func gradients(of parameter: String) -> [Matrix] { nodes.map { $0.gradients.matrix(parameter) } }

    /// The gradient of the weights that made `deltas` [T*B, G] of `input` [T*B, in]: `deltas^T input`, into one matrix [G, in] for
    /// each node.
    package func multiply(_ deltas: Matrix, by input: Matrix, into results: [Matrix]) throws {
        for node in results.indices { try multiply(deltas, by: input, node: node, into: results[node]) }
    }

    /// The same for some rows of the weights.
    /// - Parameter leaves: with shards, the rows of each, if the operands' rows are not the chunk's.
    func multiply(_ deltas: Matrix, _ rows: Slices, by input: Matrix, into results: [Matrix], leaves: Leaves? = nil) throws {
        guard let product, let leaves = leaves ?? self.leaves(rows: deltas.rows) else {
            if rows.isWhole { return try multiply(deltas, by: input, into: results) }
            return try Kernels.multiply(deltas, rows, by: input, into: results[0])
        }
        for (node, result) in zip(nodes, results) { product.multiply(deltas, rows, by: input, leaves[node.shards], into: result) }
    }

    /// The gradient of a bias that was added to every row: the sum of `deltas` [T*B, G], into one [1, G] for each node.
    package func sumRows(_ deltas: Matrix, into results: [Matrix]) {
        for node in results.indices { sumRows(deltas, node: node, into: results[node].base) }
    }

    /// The places in a chunk of these shards' rows, in the order of the sums.
    /// - Parameter rows: of the chunk, T*B.
    func rows(of shards: Range<Int>, in rows: Int) -> ShardRows {
        ShardRows(shards: shards, steps: rows / batch, width: width, batch: batch)
    }
}

/// A layer's gradients, one of each parameter for each node.
struct LayerGradients {
    private let sums: GradientSums
    private let hidden: Int  // H
    private let team: Team
    let inputWeights: [Matrix]
    let recurrentWeights: [Matrix]
    let inputBias: [Matrix]
    let recurrentBias: [Matrix]

    init(_ sums: GradientSums, _ shape: LayerShape) {
        self.sums = sums
        hidden = shape.hidden
        team = shape.chunk.team
        let nodes = sums.nodes.map { GateParameters($0.gradients, shape) }
        inputWeights = nodes.map(\.inputWeights)
        recurrentWeights = nodes.map(\.recurrentWeights)
        inputBias = nodes.map(\.inputBias)
        recurrentBias = nodes.map(\.recurrentBias)
    }

    /// This rank's units of the gates whose `deltas` [T*B, gates*H] are given.
    private func slices(_ deltas: Matrix) -> Slices { team.slices(ofBlocks: deltas.columns / hidden, width: hidden) }

    /// As in `GradientSums`, of this rank's units.
    func multiply(_ deltas: Matrix, by input: Matrix, into results: [Matrix], leaves: Leaves? = nil) throws {
        try sums.multiply(deltas, slices(deltas), by: input, into: results, leaves: leaves)
    }

    /// As in `GradientSums`, of this rank's units.
    func sumRows(_ deltas: Matrix, into results: [Matrix]) {
        slices(deltas).forEach { columns in
            let own = deltas.columns(columns.lowerBound, count: columns.count)
            for node in results.indices { sums.sumRows(own, node: node, into: results[node].base + columns.lowerBound) }
        }
    }

    /// Where both biases are added to the same sum, so that their gradients are equal.
    func sumRowsIntoBothBiases(_ deltas: Matrix) {
        sumRows(deltas, into: inputBias)
        for (from, to) in zip(inputBias, recurrentBias) {
            slices(deltas).forEach { copy(from.base + $0.lowerBound, to: to.base + $0.lowerBound, count: $0.count) }
        }
    }
}
