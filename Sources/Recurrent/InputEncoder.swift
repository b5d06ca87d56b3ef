import Kernels

/// What stands below the lowest layer: from a batch's inputs to vectors.
protocol InputEncoder: AnyObject, SendableMetatype {
    /// What an encoder of this model needs. `init` allocates just the plan's values.
    static func plan(_ model: ModelConfiguration, _ chunk: ChunkShape) -> LayerPlan

    /// - Parameter sums: where gradients go; nil for evaluation.
    /// - Throws: `KernelError`.
    init(_ model: ModelConfiguration, _ chunk: ChunkShape, parameters: Arena, sums: GradientSums?) throws

    /// Packs the weights; call after every change of the parameters.
    func packWeights() throws

    /// From inputs [N] to `output` [N, E].
    func forward(_ inputs: UnsafePointer<Int32>, into output: Matrix) throws

    /// From dL/d(output) [N, E], which may be changed, to the gradients of the parameters.
    /// - Parameter leaves: with shards, which of the N rows each of them has, in the order of the sums.
    func backward(_ inputs: UnsafePointer<Int32>, outputGradient: Matrix, leaves: Leaves?) throws

    /// Clears what `backward` adds to, before the next pass.
    func clearGradients(of inputs: UnsafePointer<Int32>, count: Int)
}

extension ModelConfiguration {
    /// Words have vectors of their own, numbers are mapped to one.
    var encoder: any InputEncoder.Type { values == nil ? Embedding.self : ValueEncoder.self }
}
