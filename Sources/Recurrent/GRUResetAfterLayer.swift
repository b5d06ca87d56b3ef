import Kernels

/// The GRU of cuDNN and PyTorch, gate order r, z, n: the reset gate acts on the recurrent product.
///
///     r, z = sigmoid(W x + b_ih + U h + b_hh)
///     n = tanh(W_n x + b_in + r (U_n h + b_hn))
///     h_t = (1 - z) n + z h_{t-1}
///
/// Derivation: docs/mathematics.md (19) to (21) and (26) to (28).
final class GRUResetAfterLayer: LayerBase, RecurrentLayer {
    private let recurrent: PackedProduct  // [B, H] x U^T
    private let recurrentBackward: PackedProduct?  // [B, 3H] x U
    private let gates: Buffer  // r z n after their nonlinearities, [T, B, 3H]; in the backward pass dL/d(W x + b_ih)
    private let products: Buffer  // U h (n part: + b_hn), [T, B, 3H]; in the backward pass dL/d(U h + b_hh)
    private let hiddenGradient: Buffer  // dL/dh_{t-1} from step t by way of U, [B, H]
    private let directGradient: Buffer  // dL/dh_{t-1} from step t by way of z h, [B, H]

    init(_ shape: LayerShape, weights: LayerParameters, gradients: LayerGradients?) throws {
        let (b, h) = (shape.batch, shape.hidden)
        recurrent = try PackedProduct(rows: b, inputs: h, outputs: 3 * h, transposed: true, accumulate: false)
        recurrentBackward =
            shape.training ? try PackedProduct(rows: b, inputs: 3 * h, outputs: h, transposed: false, accumulate: false) : nil
        gates = Buffer(count: shape.steps * b * 3 * h)
        products = Buffer(count: shape.steps * b * 3 * h)
        hiddenGradient = Buffer(count: shape.training ? b * h : 0)
        directGradient = Buffer(count: shape.training ? b * h : 0)
        try super.init(of: shape, weights: weights, gradients: gradients)
    }

    override func packWeights() throws {
        try super.packWeights()
        recurrent.pack(weights.recurrentWeights.base)
        recurrentBackward?.pack(weights.recurrentWeights.base)
    }

    func forward(_ input: Matrix, steps: Int) throws {
        clock.enter(.projection)
        copy(state[0].base, to: hiddenStates.base, count: block)
        try project(input, into: gates.base)
        clock.enter(.recurrence)
        for t in 0..<steps {
            let product = products.base + t * 3 * block
            try recurrent.run(previous(t), into: product, rows: batch)
            for b in 0..<batch {
                let row = (t * batch + b) * 3 * hidden
                step(
                    gates.base + row, product: products.base + row, before: previous(t) + b * hidden,
                    after: current(t) + b * hidden)
            }
        }
        copy(previous(steps), to: state[0].base, count: block)
    }

    private func step(
        _ gate: UnsafeMutablePointer<Float>, product: UnsafeMutablePointer<Float>, before: UnsafePointer<Float>,
        after: UnsafeMutablePointer<Float>
    ) {
        let size = hidden
        let (bi, bh) = (weights.inputBias.base, weights.recurrentBias.base)
        for (j, k) in LaneBlocks(size) {
            let (jz, jn) = (j + size, j + 2 * size)
            let r = logistic(gate.load(j) + product.load(j) + bi.load(j) + bh.load(j))
            let z = logistic(gate.load(jz) + product.load(jz) + bi.load(jz) + bh.load(jz))
            let q = product.load(jn) + bh.load(jn)
            let n = hyperbolicTangent((gate.load(jn) + bi.load(jn)).addingProduct(r, q))
            gate.store(r, j, k)
            gate.store(z, jz, k)
            gate.store(n, jn, k)
            product.store(q, jn, k)
            after.store(n.addingProduct(z, before.load(j) - n), j, k)
        }
    }

    func backward(
        _ input: Matrix, outputGradient: Matrix, inputGradient: Matrix, steps: Int, pause: () throws -> Void
    ) throws {
        guard let gradients, let recurrentBackward else { preconditionFailure("a layer made for evaluation") }
        clock.enter(.recurrenceBackward)
        hiddenGradient.fill(0)
        directGradient.fill(0)
        for t in (0..<steps).reversed() {
            try pause()
            for b in 0..<batch {
                let row = (t * batch + b) * 3 * hidden
                stepBackward(
                    gates.base + row, product: products.base + row, before: previous(t) + b * hidden,
                    above: outputGradient.base + (t * batch + b) * hidden, hiddenGradient: hiddenGradient.base + b * hidden,
                    directGradient: directGradient.base + b * hidden)
            }
            if t > 0 { try recurrentBackward.run(products.base + t * 3 * block, into: hiddenGradient.base, rows: batch) }
        }
        clock.enter(.weightGradients)
        let inputDeltas = Matrix(gates.base, rows: steps * batch, columns: 3 * hidden)
        let recurrentDeltas = Matrix(products.base, rows: steps * batch, columns: 3 * hidden)
        try gradients.multiply(inputDeltas, by: input) { $0.inputWeights }
        try gradients.multiply(recurrentDeltas, by: previousStates(steps)) { $0.recurrentWeights }
        gradients.sumRows(inputDeltas) { $0.inputBias }
        gradients.sumRows(recurrentDeltas) { $0.recurrentBias }
        try pause()
        clock.enter(.projectionBackward)
        try multiply(inputDeltas, by: weights.inputWeights, into: inputGradient)
    }

    private func stepBackward(
        _ gate: UnsafeMutablePointer<Float>, product: UnsafeMutablePointer<Float>, before: UnsafePointer<Float>,
        above: UnsafePointer<Float>, hiddenGradient: UnsafePointer<Float>, directGradient: UnsafeMutablePointer<Float>
    ) {
        let size = hidden
        for (j, k) in LaneBlocks(size) {
            let (jz, jn) = (j + size, j + 2 * size)
            let r = gate.load(j)
            let z = gate.load(jz)
            let n = gate.load(jn)
            let q = product.load(jn)
            let dh = above.load(j) + hiddenGradient.load(j) + directGradient.load(j)
            let dn = dh * (1 - z) * (1 - n * n)
            let dz = dh * (before.load(j) - n) * z * (1 - z)
            let dr = dn * q * r * (1 - r)
            gate.store(dr, j, k)
            gate.store(dz, jz, k)
            gate.store(dn, jn, k)
            product.store(dr, j, k)
            product.store(dz, jz, k)
            product.store(dn * r, jn, k)
            directGradient.store(dh * z, j, k)
        }
    }
}
