import Glibc

/// Real-time recurrent learning (Williams and Zipser 1989): the other way to a recurrent network's gradient. Each value of the state
/// carries its derivatives by all parameters, its sensitivities, forward from step to step; nothing runs backward and nothing of
/// the sequence is kept. It costs P times the forward pass for P parameters, so that it is for small networks only.
///
/// Shares nothing with `OracleModel` but the parameters' names and shapes.
package struct RealTimeRecurrentLearning {
    private let model: OracleModel
    /// Every parameter as a value that depends on itself.
    private let parameters: [String: [Dual]]
    /// Places of the parameters among the sensitivities.
    private let ranges: [String: Range<Int>]

    package init(_ model: OracleModel) {
        self.model = model
        var (parameters, ranges): ([String: [Dual]], [String: Range<Int>]) = ([:], [:])
        let count = model.parameterShapes.reduce(0) { $0 + $1.shape.reduce(1, *) }
        var place = 0
        for (name, _) in model.parameterShapes {
            let values = model.parameters[name]!
            parameters[name] = values.indices.map { Dual(values[$0], dependingOn: place + $0, of: count) }
            ranges[name] = place..<place + values.count
            place += values.count
        }
        self.parameters = parameters
        self.ranges = ranges
    }

    /// The loss of one sequence and its gradient by every parameter, from a zero state.
    /// - Parameter truncation: steps after which the state's sensitivities are forgotten, as truncated back-propagation
    ///   does at the end of a chunk; nil: never.
    package func run(inputs: [Int], targets: [Int], truncation: Int? = nil) -> (loss: Double, gradients: [String: [Double]]) {
        precondition(model.connections == .none, "not written here")
        var hidden = model.hidden.map { Array(repeating: Dual(0), count: $0) }
        var cell = hidden
        if model.cell.base == .window {  // the inputs that are carried
            cell = (0..<model.layers).map { layer in
                Array(repeating: Dual(0), count: (OracleCell.windowLength - 1) * model.width(belowLayer: layer))
            }
        }
        var loss = Dual(0)
        for t in inputs.indices {
            if let truncation, t % truncation == 0 {
                hidden = hidden.map { $0.map { Dual($0.value) } }
                cell = cell.map { $0.map { Dual($0.value) } }
            }
            let width = model.embedding
            var x = Array(parameters["encoder.weight"]![inputs[t] * width..<(inputs[t] + 1) * width])
            for layer in 0..<model.layers {
                (hidden[layer], cell[layer]) = step(layer, x, hidden[layer], cell[layer])
                x = hidden[layer]
            }
            let output = model.tied ? "encoder.weight" : "decoder.weight"
            let logits = product(parameters[output]!, x, plus: parameters["decoder.bias"]!)
            loss = loss + logarithm(logits.map(exponential).reduce(Dual(0), +)) - logits[targets[t]]
        }
        return (loss.value, ranges.mapValues { range in range.map { loss.slopes.isEmpty ? 0 : loss.slopes[$0] } })
    }

    private func step(_ layer: Int, _ x: [Dual], _ h: [Dual], _ c: [Dual]) -> (hidden: [Dual], cell: [Dual]) {
        let size = model.hidden[layer]
        func weights(_ name: String) -> [Dual] { parameters["rnn.\(name)_l\(layer)"]! }
        /// W x + b, or LN(W x) + b with these gains.
        func affine(_ name: String, _ x: [Dual], gain: String, rows: Range<Int>? = nil) -> [Dual] {
            let bias = weights(name.replacing("weight", with: "bias"))
            let rows = rows ?? bias.indices
            let matrix = Array(weights(name)[rows.lowerBound * x.count..<rows.upperBound * x.count])
            guard model.cell.isNormalized, model.cell != .elmanNormalized else { return product(matrix, x, plus: Array(bias[rows])) }
            // The candidate of a GRU is normalised by itself.
            let cuts = model.cell.gates == 3 ? [0..<2 * size, 2 * size..<3 * size] : [bias.indices]
            let a = product(matrix, x, plus: rows.map { _ in Dual(0) })
            let gains = weights(gain)
            return cuts.filter { rows.contains($0.lowerBound) }.flatMap { cut in
                normalized(cut.map { a[$0 - rows.lowerBound] }, Array(gains[cut]), plus: Array(bias[cut]))
            }
        }
        if model.cell.base == .window {
            return (affine("weight", c + x, gain: "gain").map(tangent), Array((c + x).dropFirst(x.count)))
        }
        if model.cell == .elmanNormalized {
            let zeros = Array(repeating: Dual(0), count: size)
            let sums = zip(product(weights("weight_ih"), x, plus: zeros), product(weights("weight_hh"), h, plus: zeros)).map { $0 + $1 }
            return (normalized(sums, weights("gain"), plus: zip(weights("bias_ih"), weights("bias_hh")).map { $0 + $1 }).map(tangent), c)
        }
        let a = affine("weight_ih", x, gain: "gain_ih")
        let u = affine("weight_hh", h, gain: "gain_hh")
        func each(_ body: (Int) -> Dual) -> [Dual] { (0..<size).map(body) }
        switch model.cell.base {
        case .elmanTanh: return (each { tangent(a[$0] + u[$0]) }, c)
        case .elmanSigmoid: return (each { sigmoid(a[$0] + u[$0]) }, c)
        case .elmanReLU:
            return (each { let sum = a[$0] + u[$0]; return sum.value > 0 ? sum : Dual(0) }, c)
        case .lstm:
            let gate = { (k: Int, j: Int) in a[k * size + j] + u[k * size + j] }
            let new = each { sigmoid(gate(1, $0)) * c[$0] + sigmoid(gate(0, $0)) * tangent(gate(2, $0)) }
            let seen = model.cell.isNormalized ? normalized(new, weights("gain_c"), plus: weights("bias_c")) : new
            return (each { sigmoid(gate(3, $0)) * tangent(seen[$0]) }, new)
        case .gruResetBefore, .gruResetAfter:
            let r = each { sigmoid(a[$0] + u[$0]) }
            let z = each { sigmoid(a[size + $0] + u[size + $0]) }
            let n: [Dual]
            if model.cell.base == .gruResetAfter {
                n = each { tangent(a[2 * size + $0] + r[$0] * u[2 * size + $0]) }
            } else {
                let candidate = affine("weight_hh", each { r[$0] * h[$0] }, gain: "gain_hh", rows: 2 * size..<3 * size)
                n = each { tangent(a[2 * size + $0] + candidate[$0]) }
            }
            return (each { n[$0] + z[$0] * (h[$0] - n[$0]) }, c)
        default: preconditionFailure("handled above")
        }
    }

    private func product(_ weights: [Dual], _ x: [Dual], plus bias: [Dual]) -> [Dual] {
        bias.indices.map { row in
            x.indices.reduce(bias[row]) { $0 + weights[row * x.count + $1] * x[$1] }
        }
    }
}

/// `gain * (a - mean) / deviation + bias`.
private func normalized(_ a: [Dual], _ gain: [Dual], plus bias: [Dual]) -> [Dual] {
    let share = Dual(1 / Double(a.count))
    let mean = a.reduce(Dual(0), +) * share
    let distances = a.map { $0 - mean }
    let variance = distances.reduce(Dual(0)) { $0 + $1 * $1 } * share + Dual(1e-5)
    let scale = variance.mapped(to: 1 / variance.value.squareRoot(), slope: -0.5 / (variance.value * variance.value.squareRoot()))
    return a.indices.map { gain[$0] * distances[$0] * scale + bias[$0] }
}

/// A number with its derivatives by all parameters; no slopes: it depends on none.
private struct Dual {
    var value: Double
    var slopes: [Double] = []

    init(_ value: Double) { self.value = value }

    init(_ value: Double, dependingOn place: Int, of count: Int) {
        self.value = value
        slopes = Array(repeating: 0, count: count)
        slopes[place] = 1
    }

    /// f(self), whose derivative at `self` is `slope`.
    func mapped(to value: Double, slope: Double) -> Dual {
        var result = Dual(value)
        result.slopes = slopes.map { $0 * slope }
        return result
    }

    static func + (a: Dual, b: Dual) -> Dual { sum(a, 1, b, 1, a.value + b.value) }
    static func - (a: Dual, b: Dual) -> Dual { sum(a, 1, b, -1, a.value - b.value) }
    static func * (a: Dual, b: Dual) -> Dual { sum(a, b.value, b, a.value, a.value * b.value) }

    private static func sum(_ a: Dual, _ p: Double, _ b: Dual, _ q: Double, _ value: Double) -> Dual {
        if a.slopes.isEmpty { return b.mapped(to: value, slope: q) }
        if b.slopes.isEmpty { return a.mapped(to: value, slope: p) }
        var result = a.mapped(to: value, slope: p)
        for place in result.slopes.indices { result.slopes[place] += q * b.slopes[place] }
        return result
    }
}

private func exponential(_ x: Dual) -> Dual { let y = exp(x.value); return x.mapped(to: y, slope: y) }
private func logarithm(_ x: Dual) -> Dual { x.mapped(to: log(x.value), slope: 1 / x.value) }
private func tangent(_ x: Dual) -> Dual { let y = tanh(x.value); return x.mapped(to: y, slope: 1 - y * y) }
private func sigmoid(_ x: Dual) -> Dual { let y = 1 / (1 + exp(-x.value)); return x.mapped(to: y, slope: y * (1 - y)) }
