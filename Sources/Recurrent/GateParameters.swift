import Kernels

/// The four parameters that gated cells have, and an Elman network with one gate.
struct GateParameters {
    let inputWeights: Matrix  // [G, in]
    let recurrentWeights: Matrix  // [G, H]
    let inputBias: Matrix  // [1, G]
    let recurrentBias: Matrix  // [1, G]

    init(_ arena: Arena, _ shape: LayerShape) {
        inputWeights = arena.matrix(shape.name("weight_ih"))
        recurrentWeights = arena.matrix(shape.name("weight_hh"))
        inputBias = arena.matrix(shape.name("bias_ih"))
        recurrentBias = arena.matrix(shape.name("bias_hh"))
    }
}
