import Kernels

/// Memory of one rank, in bytes, computed before anything is allocated: the sum of what the layers' plans say, to the byte. If ranks
/// share a machine, parameters, slots and packed weights exist once for all of them; each rank still counts them, as its resident
/// memory does.
///
/// With P parameters (each tensor rounded up to 16 floats), B streams, T steps, 4 bytes a float:
///
///     parameters   P          gradients   P          optimizer   slots * P
///     layer        see its plan: h, gates, packed weights, carried state
///     embedding    T B E for its output, T B tokens
///     head         packed weights, and logits: one block of rows x V (`SoftmaxHead.blockRows`)
///     dropout      T B H for each layer
///     gradients of activations  2 T B max(E, H)
///     workspace    2 MiB for each thread that computes products, not counted here
///
/// Where gradients are summed by shards, P for each node, and with tied weights V E for each beside it; `GradientSums`,
/// `Embedding` and `SoftmaxHead` need more, which their plans say.
package struct ModelMemory: Sendable, Equatable {
    package let parameters: Int
    package let gradients: Int
    package let optimizer: Int
    package let activations: Int
    /// Of these, packed weights.
    package let packed: Int
    /// What exists once beside parameters and slots: of a team all that its ranks share, gradients included; of packers the packed
    /// weights; 0 for a rank by itself.
    package let shared: Int

    package var total: Int { parameters + gradients + optimizer + activations }

    /// - Parameter nodes: where gradients are summed by shards, how many each of the rank's nodes has.
    /// - Returns: nil if a size overflows 64 bits.
    package init?(
        _ model: ModelConfiguration, batch: Int, steps: Int, training: Bool, optimizerSlots: Int, nodes: [Int] = [],
        team: Team = Team(), packers: Team = Team()
    ) {
        let chunk = ChunkShape(steps: steps, batch: batch, training: training, nodes: nodes, team: team, packers: packers)
        let plans = model.plans(chunk)
        let count = plans.flatMap(\.parameters).reduce(0) { $0 + ($1.values / 16).rounded(.up) * 16 }
        let packedValues = plans.reduce(0) { $0 + $1.packed }
        var values = plans.reduce(packedValues) { $0 + $1.values } + Network.values(model, chunk)
        guard count < 0x1p54, values < 0x1p54 else { return nil }
        if training { values += GradientSums.values(model, chunk) }
        let tied = model.tied && !nodes.isEmpty ? Double(model.vocabulary) * Double(model.embedding) : 0
        let bytes = { (values: Double) in Int(exactly: 4 * values) }
        guard let parameters = bytes(count), let packed = bytes(packedValues), let activations = bytes(values),
            let optimizer = bytes(training ? count * Double(optimizerSlots) : 0),
            let gradients = bytes(training ? (count + tied) * Double(max(1, nodes.count)) : 0),
            activations < 1 << 60, optimizer < 1 << 60, gradients < 1 << 60
        else { return nil }
        self.parameters = parameters
        self.gradients = gradients
        self.optimizer = optimizer
        self.activations = activations
        self.packed = packed
        let ownValues = chunk.values * Double(model.lineEnd == nil ? 1 : 2) + Network.distinctTokens(model, chunk)  // tokens, marks
        let buffers = plans.reduce(0) { $0 + $1.shared } + Network.values(model, chunk) - ownValues
        shared = team.isAlone ? packers.isAlone ? 0 : packed : gradients + Int(4 * buffers)
    }
}

extension ParameterPlan {
    /// The number of values, where that may overflow.
    fileprivate var values: Double { shape.reduce(1) { $0 * Double($1) } }
}
