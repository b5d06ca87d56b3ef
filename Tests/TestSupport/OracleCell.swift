import Glibc

/// The recurrent cells of docs/mathematics.md. Gate blocks are stacked in PyTorch's order.
package enum OracleCell: String, CaseIterable, Sendable {
    case elmanTanh, elmanSigmoid, elmanReLU
    /// i, f, g, o
    case lstm
    /// r, z, n; Cho et al. 2014: the reset gate acts on h before the matrix product.
    case gruResetBefore
    /// r, z, n; PyTorch and cuDNN: the reset gate acts on the product.
    case gruResetAfter
    /// A layer with tanh over the last `window` inputs.
    case window
    /// With layer normalisation; the Elman cell and the window with tanh.
    case elmanNormalized, lstmNormalized, gruResetBeforeNormalized, gruResetAfterNormalized, windowNormalized

    /// The cell without its normalisation.
    package var base: OracleCell {
        switch self {
        case .elmanNormalized: .elmanTanh
        case .lstmNormalized: .lstm
        case .gruResetBeforeNormalized: .gruResetBefore
        case .gruResetAfterNormalized: .gruResetAfter
        case .windowNormalized: .window
        default: self
        }
    }
    package var isNormalized: Bool { base != self }

    /// Names of a layer's gains and further biases, and their blocks of `hidden` values.
    var normalizations: [(name: String, blocks: Int)] {
        switch self {
        case .elmanNormalized, .windowNormalized: [("gain", 1)]
        case .lstmNormalized: [("gain_ih", 4), ("gain_hh", 4), ("gain_c", 1), ("bias_c", 1)]
        case .gruResetBeforeNormalized, .gruResetAfterNormalized: [("gain_ih", 3), ("gain_hh", 3)]
        default: []
        }
    }

    /// Inputs that a step of a window reads.
    package static let windowLength = 3

    /// Blocks of `hidden` rows in a layer's weights.
    package var gates: Int {
        switch base {
        case .lstm: 4
        case .gruResetBefore, .gruResetAfter: 3
        default: 1
        }
    }
}

/// One layer, one stream, one step at a time.
struct OracleLayer {
    let cell: OracleCell
    let hidden: Int
    var input: OracleAffine
    var recurrent: OracleAffine
    /// Of W x + U h, `elmanNormalized` only.
    var sumNormalization: OracleNormalization?
    /// Of c, `lstmNormalized` only, and the bias after it.
    var cellNormalization: OracleNormalization?
    var cellBias: [Double] = []
    var cellBiasGradient: [Double] = []
    /// LSTM: blocks of i, f, g, o that are left out, so that the gate is 1.
    var absentGates: Set<Int> = []
    /// LSTM: p_i, p_f, p_o, [3, H]; empty without.
    var peepholes: [Double] = []
    var peepholeGradient: [Double] = []
    /// What is added to a value of c before h is made of it.
    var cellDisturbance: (place: Int, amount: Double)?

    /// The values of one step for the backward pass. Every vector has `hidden` elements except `input`.
    struct Step {
        var input: [Double]
        var previousHidden: [Double]
        var previousCell: [Double]
        /// Activated gates, in the cell's order.
        var gates: [[Double]] = []
        /// W_hn h + b_hn before the reset gate; `gruResetAfter` only.
        var resetProduct: [Double] = []
        var hidden: [Double] = []
        /// Empty unless `lstm`.
        var cell: [Double] = []
        /// The inputs that the next step reads; empty unless `window`.
        var carriedInputs: [Double] = []

        /// What the next step starts from.
        var state: OracleState { OracleState(hidden: carriedInputs.isEmpty ? hidden : carriedInputs, cell: cell) }
    }

    func forward(_ x: [Double], hidden h: [Double], cell c: [Double]) -> Step {
        var step = Step(input: x, previousHidden: h, previousCell: c)
        if cell.base == .window {
            step.hidden = input(h + x).map { tanh($0) }
            step.carriedInputs = Array((h + x).dropFirst(x.count))
            return step
        }
        if let sumNormalization {
            let rows = 0..<hidden
            let y = sumNormalization(combine(input.product(x, rows: rows), recurrent.product(h, rows: rows), +), rows: rows)
            step.hidden = each { tanh(y[$0] + input.bias[$0] + recurrent.bias[$0]) }
            return step
        }
        let a = blocks(input(x))
        switch cell.base {
        case .elmanTanh, .elmanSigmoid, .elmanReLU:
            step.hidden = combine(a[0], recurrent(h)) { activate($0 + $1) }
            step.gates = [step.hidden]
        case .lstm:
            let u = blocks(recurrent(h))
            let p = peepholes.isEmpty ? Array(repeating: 0, count: 3 * hidden) : peepholes
            func gate(_ k: Int, peephole: Int, _ seen: [Double]) -> [Double] {
                absentGates.contains(k)
                    ? each { _ in 1 } : each { sigmoid(a[k][$0] + u[k][$0] + p[peephole * hidden + $0] * seen[$0]) }
            }
            let (i, f) = (gate(0, peephole: 0, c), gate(1, peephole: 1, c))
            let g = combine(a[2], u[2]) { tanh($0 + $1) }
            step.cell = each { f[$0] * c[$0] + i[$0] * g[$0] }
            if let cellDisturbance { step.cell[cellDisturbance.place] += cellDisturbance.amount }
            let o = gate(3, peephole: 2, step.cell)
            step.gates = [i, f, g, o]
            step.hidden = combine(o, squashed(step.cell), *)
        case .gruResetBefore:
            let u = blocks(recurrent(h, rows: 0..<2 * hidden))
            let r = combine(a[0], u[0]) { sigmoid($0 + $1) }
            let z = combine(a[1], u[1]) { sigmoid($0 + $1) }
            let n = combine(a[2], recurrent(combine(r, h, *), rows: 2 * hidden..<3 * hidden)) { tanh($0 + $1) }
            step.gates = [r, z, n]
            step.hidden = each { (1 - z[$0]) * n[$0] + z[$0] * h[$0] }
        case .gruResetAfter:
            let u = blocks(recurrent(h))
            let r = combine(a[0], u[0]) { sigmoid($0 + $1) }
            let z = combine(a[1], u[1]) { sigmoid($0 + $1) }
            let n = each { tanh(a[2][$0] + r[$0] * u[2][$0]) }
            step.gates = [r, z, n]
            step.resetProduct = u[2]
            step.hidden = each { (1 - z[$0]) * n[$0] + z[$0] * h[$0] }
        default: preconditionFailure("handled above")
        }
        return step
    }

    /// Takes dL/d(output) from above, dL/dh and dL/dc (empty unless `lstm`) from step t+1; adds to the weights' gradients and
    /// returns the gradients of the step's input and of the state it started from.
    mutating func backward(_ step: Step, above: [Double], hidden dState: [Double], cell dc: [Double])
        -> (input: [Double], hidden: [Double], cell: [Double])
    {
        let h = step.previousHidden
        if cell.base == .window {
            let da = combine(above, step.hidden) { $0 * slope(atOutput: $1) }
            let read = input.backward(da, h + step.input)
            let size = step.input.count
            // All inputs but the first are carried on.
            let all = read.indices.map { $0 < size ? read[$0] : read[$0] + dState[$0 - size] }
            return (Array(all.suffix(size)), Array(all.dropLast(size)), [])
        }
        let dh = combine(above, dState, +)
        let gates = step.gates
        if sumNormalization != nil {
            let rows = 0..<hidden
            let dy = combine(dh, step.hidden) { $0 * slope(atOutput: $1) }
            input.addBiasGradient(dy, rows: rows)
            recurrent.addBiasGradient(dy, rows: rows)
            let a = combine(input.product(step.input, rows: rows), recurrent.product(h, rows: rows), +)
            let da = sumNormalization!.backward(dy, a, rows: rows)
            return (input.backwardOfProduct(da, step.input, rows: rows), recurrent.backwardOfProduct(da, h, rows: rows), [])
        }
        switch cell.base {
        case .elmanTanh, .elmanSigmoid, .elmanReLU:
            let da = combine(dh, step.hidden) { $0 * slope(atOutput: $1) }
            return (input.backward(da, step.input), recurrent.backward(da, h), [])

        case .lstm:
            let (i, f, g, o) = (gates[0], gates[1], gates[2], gates[3])
            let squashed = squashed(step.cell)
            let old = step.previousCell
            let p = peepholes.isEmpty ? Array(repeating: 0, count: 3 * hidden) : peepholes
            let absent = absentGates
            let slope = { (gate: Int, value: Double) in absent.contains(gate) ? 0 : value * (1 - value) }
            let dOut = each { dh[$0] * squashed[$0] * slope(3, o[$0]) }
            var throughOutput = each { dh[$0] * o[$0] * (1 - squashed[$0] * squashed[$0]) }
            if cellNormalization != nil {
                cellBiasGradient = combine(cellBiasGradient, throughOutput, +)
                throughOutput = cellNormalization!.backward(throughOutput, step.cell, rows: 0..<hidden)
            }
            let dcTotal = each { dc[$0] + throughOutput[$0] + dOut[$0] * p[2 * hidden + $0] }
            let di = each { dcTotal[$0] * g[$0] * slope(0, i[$0]) }
            let df = each { dcTotal[$0] * old[$0] * slope(1, f[$0]) }
            let dg = each { dcTotal[$0] * i[$0] * (1 - g[$0] * g[$0]) }
            let da = di + df + dg + dOut
            if !peepholes.isEmpty {
                for (place, value) in (combine(di, old, *) + combine(df, old, *) + combine(dOut, step.cell, *)).enumerated() {
                    peepholeGradient[place] += value
                }
            }
            let dOld = each { dcTotal[$0] * f[$0] + di[$0] * p[$0] + df[$0] * p[hidden + $0] }
            return (input.backward(da, step.input), recurrent.backward(da, h), dOld)

        case .gruResetBefore:
            let (r, z, n) = (gates[0], gates[1], gates[2])
            let dn = each { dh[$0] * (1 - z[$0]) * (1 - n[$0] * n[$0]) }
            let dz = each { dh[$0] * (h[$0] - n[$0]) * z[$0] * (1 - z[$0]) }
            // Through the candidate's product, whose input is r*h.
            let dResetHidden = recurrent.backward(dn, combine(r, h, *), rows: 2 * hidden..<3 * hidden)
            let dr = each { dResetHidden[$0] * h[$0] * r[$0] * (1 - r[$0]) }
            let throughGates = recurrent.backward(dr + dz, h, rows: 0..<2 * hidden)
            let dPrevious = each { throughGates[$0] + dResetHidden[$0] * r[$0] + dh[$0] * z[$0] }
            return (input.backward(dr + dz + dn, step.input), dPrevious, [])

        case .gruResetAfter:
            let (r, z, n) = (gates[0], gates[1], gates[2])
            let dn = each { dh[$0] * (1 - z[$0]) * (1 - n[$0] * n[$0]) }
            let dz = each { dh[$0] * (h[$0] - n[$0]) * z[$0] * (1 - z[$0]) }
            let dr = each { dn[$0] * step.resetProduct[$0] * r[$0] * (1 - r[$0]) }
            let throughProduct = recurrent.backward(dr + dz + combine(dn, r, *), h)
            let dPrevious = each { throughProduct[$0] + dh[$0] * z[$0] }
            return (input.backward(dr + dz + dn, step.input), dPrevious, [])
        default: preconditionFailure("handled above")
        }
    }

    /// tanh(c), or tanh(LN(c) + b).
    private func squashed(_ c: [Double]) -> [Double] {
        guard let cellNormalization else { return c.map { tanh($0) } }
        return combine(cellNormalization(c, rows: 0..<hidden), cellBias) { tanh($0 + $1) }
    }

    private func each(_ element: (Int) -> Double) -> [Double] { (0..<hidden).map(element) }

    private func blocks(_ vector: [Double]) -> [[Double]] {
        (0..<vector.count / hidden).map { Array(vector[$0 * hidden..<($0 + 1) * hidden]) }
    }

    private func activate(_ x: Double) -> Double {
        switch cell {
        case .elmanSigmoid: sigmoid(x)
        case .elmanReLU: max(x, 0)
        default: tanh(x)
        }
    }

    /// The activation's derivative, written in its value y.
    private func slope(atOutput y: Double) -> Double {
        switch cell {
        case .elmanSigmoid: y * (1 - y)
        case .elmanReLU: y > 0 ? 1 : 0
        default: 1 - y * y
        }
    }
}

private func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

private func combine(_ x: [Double], _ y: [Double], _ function: (Double, Double) -> Double) -> [Double] {
    zip(x, y).map { function($0, $1) }
}
