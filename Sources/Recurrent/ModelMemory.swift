/// Memory of one rank, in bytes, computed before anything is allocated. If ranks share a machine, parameters and slots
/// exist once for all of them; each rank still counts them, as its resident memory does.
///
/// With P parameters, B streams, T steps, L layers (4 bytes a float):
///
///     parameters   P          gradients   P          optimizer   slots * P
///     layer        (T+1) B H for h, plus T B G for the gates, plus per cell
///                  LSTM (T+1) B H for c     GRU T B H for r h     reset-after T B 3H for U h
///     packed       W: G in    U: G H forward, G H backward    output layer: V H, columns rounded up to 16
///     workspace    2 MiB for each thread that computes products, not counted here
///     dropout      T B H per layer          embedding T B E
///     gradients of activations  2 T B max(E, H)
///     logits       one block of rows x V, at most 32 MiB or one row
///
/// Where gradients are summed by shards, beside that:
///
///     gradients    P for each node after the first, and with tied weights V E for each
///     rows         2 T B H for the output layer's in the order of the sums
///     packed       T B max(E, H) for the weight gradients' products, and 512 KiB
///     nodes of more rows than a block of logits: V H for each that waits for its sibling
package struct ModelMemory: Sendable, Equatable {
    package let parameters: Int
    package let gradients: Int
    package let optimizer: Int
    package let activations: Int

    package var total: Int { parameters + gradients + optimizer + activations }

    /// - Parameter nodes: where gradients are summed by shards, how many each of the rank's nodes has.
    /// - Returns: nil if a size overflows 64 bits.
    package init?(
        _ model: ModelConfiguration, batch: Int, steps: Int, training: Bool, optimizerSlots: Int, nodes: [Int] = []
    ) {
        let rows = model.cell.gates.multiplied(model.hidden)
        let chunk = steps.multiplied(batch)
        var count = model.vocabulary.multiplied(model.embedding) + Double(model.vocabulary)
        if !model.tied { count += model.vocabulary.multiplied(model.hidden) }
        var active = 0.0
        let h = Double(model.hidden)
        for layer in 0..<model.layers {
            count += rows * Double(model.inputs(ofLayer: layer)) + rows * h + 2 * rows
            active += (chunk + Double(batch)) * h * Double(model.cell == .lstm ? 2 : 1)
            if model.cell != .elman { active += chunk * rows }
            if model.cell == .gru { active += chunk * h }
            if model.cell == .gruResetAfter { active += chunk * rows }
            active += rows.rounded(upTo: 16) * (h + Double(model.inputs(ofLayer: layer)))
            if training { active += rows * h.rounded(upTo: 16) }
            if training && model.dropout > 0 { active += chunk * h }
        }
        active += chunk * Double(model.embedding) + Double(model.vocabulary).rounded(upTo: 16) * h
        if training { active += 2 * chunk * Double(max(model.embedding, model.hidden)) }
        guard count < 0x1p60, active < 0x1p60, chunk * Double(model.vocabulary) < 0x1p60 else { return nil }
        active += Double(OutputLayer.blockRows(rows: steps * batch, vocabulary: model.vocabulary) * model.vocabulary)
        let shards = nodes.reduce(0, +)
        if shards > 0 {
            guard count < 0x1p54, active < 0x1p54 else { return nil }
            let width = batch / shards
            let bytes =
                GradientSums.memory(model, nodes: nodes, width: width, steps: steps)
                + OutputShards.memory(model, nodes: nodes, width: width, steps: steps, rows: steps * batch)
            active += Double(bytes / 4 + model.vocabulary + steps * batch)
        }
        let bytes = { (floats: Double) in Int(exactly: (floats * 4).rounded()) }
        guard let parameters = bytes(count), let optimizer = bytes(count * Double(optimizerSlots)),
            let activations = bytes(active)
        else { return nil }
        self.parameters = parameters
        let tied = model.tied && shards > 0 ? model.vocabulary * model.embedding * 4 : 0
        self.gradients = training ? (parameters + tied) * max(1, nodes.count) : 0
        self.optimizer = training ? optimizer : 0
        self.activations = activations
    }
}

extension Double {
    /// The next multiple of `unit`.
    fileprivate func rounded(upTo unit: Double) -> Double { (self / unit).rounded(.up) * unit }
}

extension Int {
    /// The product in floating point, where it cannot overflow.
    fileprivate func multiplied(_ other: Int) -> Double { Double(self) * Double(other) }
}
