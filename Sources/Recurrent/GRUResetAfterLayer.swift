import Kernels

/// The GRU of cuDNN and PyTorch, gate order r, z, n: the reset gate acts on the recurrent product.
///
///     r, z = sigmoid(W x + b_ih + U h + b_hh)
///     n = tanh(W_n x + b_in + r (U_n h + b_hn))
///     h_t = (1 - z) n + z h_{t-1}
///
/// Layer normalisation is of `W x` and of `U h`, before the biases, of r and z together and of n by itself.
/// Derivation: docs/mathematics.md (19) to (21), (26) to (28) and (n7).
final class GRUResetAfterLayer: GatedLayer, Layer {
    private let recurrent: PackedProduct  // [B, H] x U^T
    private let recurrentBackward: PackedProduct?  // [B, 3H] x U
    private let gates: Buffer  // r z n after their nonlinearities, [T, B, 3H]; in the backward pass dL/d(W x + b_ih)
    private let products: Buffer  // U h (n part: + b_hn), [T, B, 3H]; in the backward pass dL/d(U h + b_hh)
    private let hiddenGradient: Buffer  // dL/dh_{t-1} from step t by way of U, [B, H]
    private let directGradient: Buffer  // dL/dh_{t-1} from step t by way of z h, [B, H]
    private let normalizers: GateNormalizers?

    static func plan(_ shape: LayerShape) -> LayerPlan {
        let (chunk, h) = (shape.chunk, shape.hidden)
        let block = Double(chunk.batch) * Double(h)
        var plan = plan(gates: 3, shape)
        plan.products += [
            ProductPlan(.recurrence, chunk.batch, 3 * h, h, times: chunk.steps),
            ProductPlan(.recurrenceBackward, chunk.batch, h, 3 * h, times: chunk.steps - 1),
            ProductPlan(.weightGradients, 3 * h, h, chunk.rows),
        ]
        plan.values += PackedProduct.count(inputs: h, outputs: 3 * h) + 6 * Double(chunk.steps) * block  // gates and U h
        if chunk.training { plan.values += PackedProduct.count(inputs: 3 * h, outputs: h) + 2 * block }
        GateNormalizers.add(to: &plan, shape, parts: [2 * h, h])
        return plan
    }

    init(_ shape: LayerShape, parameters: Arena, sums: GradientSums?, clock: PhaseClock) throws {
        let (chunk, h, training) = (shape.chunk, shape.hidden, shape.chunk.training)
        let b = chunk.batch
        recurrent = try PackedProduct(rows: b, inputs: h, outputs: 3 * h, transposed: true, accumulate: false)
        recurrentBackward =
            training ? try PackedProduct(rows: b, inputs: 3 * h, outputs: h, transposed: false, accumulate: false) : nil
        gates = Buffer(count: chunk.steps * b * 3 * h)
        products = Buffer(count: chunk.steps * b * 3 * h)
        hiddenGradient = Buffer(count: training ? b * h : 0)
        directGradient = Buffer(count: training ? b * h : 0)
        normalizers = GateNormalizers(shape, parts: [2 * h, h], parameters, sums)
        try super.init(gates: 3, shape, parameters, sums, clock)
    }

    override func packWeights() throws {
        try super.packWeights()
        recurrent.pack(weights.recurrentWeights.base)
        recurrentBackward?.pack(weights.recurrentWeights.base)
    }

    func forward(_ input: Matrix, steps: Int) throws {
        clock.enter(.projection)
        try project(input, into: normalizers?.input.row(0) ?? gates.base)
        normalizers?.input.forward(0..<steps * batch, into: gates.base)
        clock.enter(.recurrence)
        try forEachStep(steps) { t in
            let product = products.base + t * 3 * block
            try recurrent.run(previous(t), into: normalizers?.recurrent.row(t * batch) ?? product, rows: batch)
            normalizers?.recurrent.forward(t * batch..<(t + 1) * batch, into: product)
            for b in 0..<batch {
                let row = (t * batch + b) * 3 * hidden
                step(
                    gates.base + row, product: products.base + row, before: previous(t) + b * hidden,
                    after: current(t) + b * hidden)
            }
        }
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
        guard let recurrentBackward else { preconditionFailure("a layer made for evaluation") }
        clock.enter(.recurrenceBackward)
        try forEachStepBackward(steps, passing: hiddenGradient, directGradient, pause: pause) { t in
            for b in 0..<batch {
                let row = (t * batch + b) * 3 * hidden
                stepBackward(
                    gates.base + row, product: products.base + row, before: previous(t) + b * hidden,
                    above: outputGradient.base + (t * batch + b) * hidden, hiddenGradient: hiddenGradient.base + b * hidden,
                    directGradient: directGradient.base + b * hidden)
            }
            let product = products.base + t * 3 * block
            normalizers?.recurrent.backward(t * batch..<(t + 1) * batch, product)
            if t > 0 {
                try recurrentBackward.run(
                    normalizers?.recurrent.delta(t * batch) ?? product, into: hiddenGradient.base, rows: batch)
            }
        }
        let rows = steps * batch
        let inputBiasDeltas = Matrix(gates.base, rows: rows, columns: 3 * hidden)
        let recurrentBiasDeltas = Matrix(products.base, rows: rows, columns: 3 * hidden)
        normalizers?.input.backward(0..<rows, gates.base)
        let inputDeltas = normalizers?.input.deltas(rows: rows) ?? inputBiasDeltas
        let recurrentDeltas = normalizers?.recurrent.deltas(rows: rows) ?? recurrentBiasDeltas
        try finishBackward(inputDeltas, input, inputGradient: inputGradient, pause: pause) { gradients in
            try gradients.multiply(recurrentDeltas, by: previousStates(steps), into: gradients.recurrentWeights)
            gradients.sumRows(inputBiasDeltas, into: gradients.inputBias)
            gradients.sumRows(recurrentBiasDeltas, into: gradients.recurrentBias)
            normalizers?.sumGains(rows: rows)
        }
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

extension Cell {
    /// The variant of cuDNN and PyTorch: the reset gate acts after the matrix product.
    package static let gruResetAfter = Cell("gru_reset_after", GRUResetAfterLayer.self)
}
