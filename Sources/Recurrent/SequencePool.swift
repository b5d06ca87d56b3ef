import Kernels

/// From the hidden vectors of each sequence [T, B, H] to the one of it that a classifier reads [B, H]: the last, their mean, or the
/// largest value of each component. The last of a layer that reads from the end is that of step 0. docs/mathematics.md (34b) to (34d).
///
/// A sequence begins at step 0 and ends where its target is. Sums are taken in the order of time over the sequence alone, so that
/// padding has no part in them.
final class SequencePool {
    private let pooling: Pooling
    private let width: Int  // H
    private let reverseColumns: [Range<Int>]
    private let pooled: Buffer  // [B, H]
    private let pooledGradient: Buffer  // [B, H]; empty for evaluation
    private let labels: Integers  // [B]
    private let lengths: Integers  // [B]; 0 without a target
    private let places: Integers  // of the largest values, [B, H]; empty for other ways
    private var batch: Int

    /// Nil for a model whose head reads every step.
    init?(_ model: ModelConfiguration, _ chunk: ChunkShape) {
        guard case .label(_, let pooling) = model.output else { return nil }
        self.pooling = pooling
        width = model.width(belowLayer: model.layers)
        reverseColumns = model.reverseColumns
        batch = chunk.batch
        pooled = Buffer(count: batch * width)
        pooledGradient = Buffer(count: chunk.training ? batch * width : 0)
        labels = Integers(count: batch)
        lengths = Integers(count: batch)
        places = Integers(count: pooling == .max ? batch * width : 0)
    }

    /// Values of four bytes that `init` allocates.
    static func values(_ model: ModelConfiguration, _ chunk: ChunkShape) -> Double {
        guard case .label(_, let pooling) = model.output else { return 0 }
        let block = Double(chunk.batch) * Double(model.width(belowLayer: model.layers))
        return 2 * Double(chunk.batch) + block * ((chunk.training ? 2 : 1) + (pooling == .max ? 1 : 0))
    }

    /// What the head reads, [B, H].
    var output: Matrix { Matrix(pooled.base, rows: batch, columns: width) }
    /// The label of each sequence, [B]; -1 for one without.
    var targets: UnsafeMutablePointer<Int32> { labels.base }
    /// dL/d(output), [B, H].
    var gradient: Matrix { Matrix(pooledGradient.base, rows: batch, columns: width) }
    /// The row of the chunk that has the target of sequence b.
    func row(_ b: Int) -> Int { (Int(lengths[b]) - 1) * batch + b }

    /// - Parameters:
    ///   - hidden: [T*B, H].
    ///   - targets: [T*B]; of each sequence, only the last position has one.
    func forward(_ hidden: Matrix, targets: UnsafePointer<Int32>, batch: Int) {
        self.batch = batch
        for b in 0..<batch {
            labels[b] = -1
            lengths[b] = 0
            for row in stride(from: b, to: hidden.rows, by: batch) where targets[row] >= 0 {
                labels[b] = targets[row]
                lengths[b] = Int32(row / batch + 1)
            }
            let result = pooled.base + b * width
            guard lengths[b] > 0 else {
                result.update(repeating: 0, count: width)
                continue
            }
            switch pooling {
            case .last:
                copy(hidden.row(row(b)), to: result, count: width)
                for columns in reverseColumns { copy(hidden.row(b) + columns.lowerBound, to: result + columns.lowerBound, count: columns.count) }
            case .mean:
                copy(hidden.row(b), to: result, count: width)
                for t in 1..<max(1, Int(lengths[b])) { add(result, hidden.row(t * batch + b), into: result, count: width) }
                let length = Float(lengths[b])
                for j in 0..<width { result[j] /= length }
            case .max:
                copy(hidden.row(b), to: result, count: width)
                for j in 0..<width { places[b * width + j] = 0 }
                for t in 1..<max(1, Int(lengths[b])) {
                    let values = hidden.row(t * batch + b)
                    for j in 0..<width where values[j] > result[j] {
                        result[j] = values[j]
                        places[b * width + j] = Int32(t)
                    }
                }
            }
        }
    }

    /// From dL/d(output) to dL/d(hidden) [T*B, H], which is zero wherever the output does not come from.
    func backward(into hiddenGradient: Matrix) {
        for row in 0..<hiddenGradient.rows { hiddenGradient.row(row).update(repeating: 0, count: width) }
        for b in 0..<batch where lengths[b] > 0 {
            let source = pooledGradient.base + b * width
            switch pooling {
            case .last:
                let last = hiddenGradient.row(row(b))
                copy(source, to: last, count: width)
                for columns in reverseColumns {
                    (last + columns.lowerBound).update(repeating: 0, count: columns.count)
                    copy(source + columns.lowerBound, to: hiddenGradient.row(b) + columns.lowerBound, count: columns.count)
                }
            case .mean:
                let length = Float(lengths[b])
                for j in 0..<width { source[j] /= length }
                for t in 0..<Int(lengths[b]) { copy(source, to: hiddenGradient.row(t * batch + b), count: width) }
            case .max:
                for j in 0..<width { hiddenGradient.row(Int(places[b * width + j]) * batch + b)[j] = source[j] }
            }
        }
    }
}
