import Kernels

/// What is known of a cluster from the model alone: of the head of an adaptive softmax, or of a tail.
struct ClusterShape {
    /// C: of the head, its tokens and the tails.
    let classes: Int
    /// P, the width of what the weights read; H without a projection.
    let inputs: Int
    let names: [(name: String, shape: [Int])]
    /// Of the predictions, that which reaches the cluster.
    let share: Double
    var isTail: Bool { names.count == 2 }

    /// The head's, then each tail's.
    static func all(_ model: ModelConfiguration, _ softmax: AdaptiveSoftmax) -> [ClusterShape] {
        let (h, tails) = (model.width(belowLayer: model.layers), softmax.tails(model.vocabulary))
        let classes = softmax.cutoffs[0] + tails.count
        let head = ClusterShape(classes: classes, inputs: h, names: [("head.weight", [classes, h])], share: 1)
        return [head] + tails.indices.map { i in
            let (c, p) = (tails[i].count, softmax.projections[i])
            return ClusterShape(
                classes: c, inputs: p, names: [("tail.\(i).0.weight", [p, h]), ("tail.\(i).1.weight", [c, p])],
                share: softmax.shares[i])
        }
    }

    func products(rows: Int, width h: Int) -> [ProductPlan] {
        func products(_ inputs: Int, _ outputs: Int) -> [ProductPlan] {
            [
                ProductPlan(.output, rows, outputs, inputs), ProductPlan(.outputBackward, rows, inputs, outputs),
                ProductPlan(.outputBackward, outputs, inputs, rows),
            ]
        }
        return (isTail ? products(h, inputs) : []) + products(inputs, classes)
    }

    /// Rows that are computed at once.
    func blockRows(_ chunk: ChunkShape) -> Int { SoftmaxHead.blockRows(rows: chunk.rows, vocabulary: classes) }

    /// Values of four bytes that a cluster allocates.
    func values(_ chunk: ChunkShape) -> Double { 2 * chunk.values }

    /// Those of its packed weights.
    func packed(width h: Int) -> Double {
        PackedProduct.count(inputs: inputs, outputs: classes) + (isTail ? PackedProduct.count(inputs: h, outputs: inputs) : 0)
    }
}

/// Room that the clusters use one after another.
final class ClusterWorkspace {
    let hidden: Buffer  // [rows, H], gathered
    let hiddenGradient: Buffer  // [rows, H]
    let projected: Buffer  // [rows, P]
    let projectedGradient: Buffer  // [rows, P]
    let logits: Buffer  // [rows, C], each row from a cache line on
    /// With shards: sums of right children, of all of a cluster's gradients.
    let partial: [Buffer]

    private struct Sizes {
        var (hidden, projected, logits, gradient) = (0, 0, 0, 0)
        let levels: Int

        init(_ shapes: [ClusterShape], _ chunk: ChunkShape, width h: Int) {
            for shape in shapes {
                let rows = shape.blockRows(chunk)
                hidden = max(hidden, rows * h)
                if shape.isTail { projected = max(projected, rows * shape.inputs) }
                logits = max(logits, rows * Buffer.wholeLines(shape.classes))
                gradient = max(gradient, shape.names.reduce(0) { $0 + $1.shape.reduce(1, *) })
            }
            levels = chunk.training ? chunk.partialSums : 0
        }
    }

    static func values(_ shapes: [ClusterShape], _ chunk: ChunkShape, width h: Int) -> Double {
        let sizes = Sizes(shapes, chunk, width: h)
        let training = chunk.training ? sizes.hidden + sizes.projected : 0
        return Double(sizes.hidden + sizes.projected + sizes.logits + training) + Double(sizes.levels * sizes.gradient)
    }

    init(_ shapes: [ClusterShape], _ chunk: ChunkShape, width h: Int) {
        let sizes = Sizes(shapes, chunk, width: h)
        hidden = Buffer(count: sizes.hidden)
        projected = Buffer(count: sizes.projected)
        logits = Buffer(count: sizes.logits)
        hiddenGradient = Buffer(count: chunk.training ? sizes.hidden : 0)
        projectedGradient = Buffer(count: chunk.training ? sizes.projected : 0)
        partial = (0..<sizes.levels).map { _ in Buffer(count: sizes.gradient) }
    }
}
