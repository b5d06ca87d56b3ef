import Kernels

/// Layer normalisation of a product of a chunk, before its gains are applied and after, with what the backward pass needs.
///
/// The product goes to `rows`. A row is normalised in parts, each over its own values, where its columns are gates of different
/// products (docs/mathematics.md (n1) to (n4)).
final class RowNormalizer {
    /// [T*B, G]: the product; after `forward` (a - mean) / deviation; after `backward` the rows' shares of dL/d(gain).
    private let values: Buffer
    /// dL/d(product), [T*B, G], after `backward`.
    private let gradient: Buffer
    private let scales: Buffer  // 1 / deviation, [T*B, parts]
    private let gain: Matrix  // [1, G]
    private let gainGradients: [Matrix]
    private let sums: GradientSums?
    private let parts: [Range<Int>]  // columns
    private var width: Int { gain.columns }  // G

    /// Nil for a model without normalisation.
    /// - Parameters:
    ///   - gain: the name of the gains, without the layer.
    ///   - parts: widths of what is normalised together; together G.
    init?(_ shape: LayerShape, gain name: String, parts widths: [Int], _ parameters: Arena, _ sums: GradientSums?) {
        if shape.model.normalization == .none { return nil }
        let rows = shape.chunk.rows
        gain = parameters.matrix(shape.name(name))
        gainGradients = sums?.gradients(of: shape.name(name)) ?? []
        self.sums = sums
        var first = 0
        parts = widths.map { width in
            defer { first += width }
            return first..<first + width
        }
        precondition(first == gain.columns)
        values = Buffer(count: rows * first)
        gradient = Buffer(count: shape.chunk.training ? rows * first : 0)
        scales = Buffer(count: rows * widths.count)
    }

    /// Adds gains, and the memory of a normaliser, to a layer's plan; nothing for a model without normalisation.
    static func add(to plan: inout LayerPlan, _ shape: LayerShape, gain name: String, parts widths: [Int]) {
        if shape.model.normalization == .none { return }
        let width = widths.reduce(0, +)
        plan.unshared = "model.normalization"
        plan.parameters.append(ParameterPlan(shape.name(name), [width], .constant(1)))
        plan.values += shape.chunk.values * Double((shape.chunk.training ? 2 : 1) * width + widths.count)
    }

    /// Where row `index` of the product goes, [G].
    func row(_ index: Int) -> UnsafeMutablePointer<Float> { values.base + index * width }
    /// dL/d(product) of row `index`.
    func delta(_ index: Int) -> UnsafeMutablePointer<Float> { gradient.base + index * width }
    /// dL/d(product) of the chunk.
    func deltas(rows: Int) -> Matrix { Matrix(gradient.base, rows: rows, columns: width) }

    /// From the product in these rows to `gain * (a - mean) / deviation`.
    /// - Parameters:
    ///   - part: of the columns; nil: all.
    ///   - result: of the first row, [rows, G]; may not be the product's own place.
    ///   - accumulate: add to `result`.
    func forward(
        _ rows: Range<Int>, part: Int? = nil, into result: UnsafeMutablePointer<Float>, accumulate: Bool = false
    ) {
        for index in rows {
            let target = result + (index - rows.lowerBound) * width
            for part in part.map({ $0...$0 }) ?? 0...parts.count - 1 {
                let columns = parts[part]
                let row = row(index) + columns.lowerBound
                scales.base[index * parts.count + part] = LayerNormalization.apply(to: row, count: columns.count)
                let (a, y, gain) = (Row(row), Row(target + columns.lowerBound), Row(gain.base + columns.lowerBound))
                if accumulate {
                    for j in LaneBlocks(columns.count) { y[j] = y[j].addingProduct(a[j], gain[j]) }
                } else {
                    for j in LaneBlocks(columns.count) { y[j] = a[j] * gain[j] }
                }
            }
        }
    }

    /// From dL/d(result) to dL/d(product).
    /// - Parameter result: dL/d(result) of the first row, [rows, G].
    func backward(_ rows: Range<Int>, part: Int? = nil, _ result: UnsafePointer<Float>) {
        for index in rows {
            let source = result + (index - rows.lowerBound) * width
            for part in part.map({ $0...$0 }) ?? 0...parts.count - 1 {
                let columns = parts[part]
                let first = columns.lowerBound
                LayerNormalization.backward(
                    source + first, row(index) + first, gain: gain.base + first, scale: scales.base[index * parts.count + part],
                    into: delta(index) + first, count: columns.count)
            }
        }
    }

    /// The gradient of the gains, after `backward` of all rows.
    func sumGains(rows: Int) {
        guard let sums else { preconditionFailure("a layer made for evaluation") }
        sums.sumRows(Matrix(values.base, rows: rows, columns: width), into: gainGradients)
    }
}

/// Layer normalisation of the two products of a gated cell, `W x` and `U h`.
struct GateNormalizers {
    let input: RowNormalizer
    let recurrent: RowNormalizer

    static let (inputGain, recurrentGain) = ("gain_ih", "gain_hh")

    /// Nil for a model without normalisation.
    init?(_ shape: LayerShape, parts: [Int], _ parameters: Arena, _ sums: GradientSums?) {
        guard let input = RowNormalizer(shape, gain: GateNormalizers.inputGain, parts: parts, parameters, sums),
            let recurrent = RowNormalizer(shape, gain: GateNormalizers.recurrentGain, parts: parts, parameters, sums)
        else { return nil }
        (self.input, self.recurrent) = (input, recurrent)
    }

    static func add(to plan: inout LayerPlan, _ shape: LayerShape, parts: [Int]) {
        for gain in [inputGain, recurrentGain] { RowNormalizer.add(to: &plan, shape, gain: gain, parts: parts) }
    }

    func sumGains(rows: Int) {
        input.sumGains(rows: rows)
        recurrent.sumGains(rows: rows)
    }
}
