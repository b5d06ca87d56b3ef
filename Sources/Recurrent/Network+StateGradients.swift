import Kernels

extension Network {
    /// What the loss at the last step of the last chunk alone, with `targets` [B], gives back to the states of each layer, from the
    /// bottom. Call it once for each `forward`; it leaves nothing of use in the gradient arena.
    package func stateGradients(fromLastStep targets: UnsafePointer<Int32>) throws -> (loss: LossSum, layers: [StateGradients]) {
        precondition(steps > 0 && !gradientBuffers.isEmpty && pool == nil && sums?.isSharded == false)
        let last = (steps - 1) * batch
        var above = Matrix(gradientBuffers[0].base, rows: steps * batch, columns: configuration.width(belowLayer: layers.count))
        above.base.update(repeating: 0, count: last * above.columns)
        let loss = try head.lossAndGradient(
            hidden.rows(last, count: batch), targets: targets, hiddenGradient: above.rows(last, count: batch), context: stepContext, each: nil)
        let result = layers.map { _ in StateGradients(steps: steps, batch: batch) }
        for index in layers.indices.reversed() {
            let next = gradientBuffers[(layers.count - index) % 2]
            let below = Matrix(next.base, rows: input(ofLayer: index).rows, columns: configuration.width(belowLayer: index))
            layers[index].stateGradients = result[index]
            defer { layers[index].stateGradients = nil }
            try layers[index].backward(input(ofLayer: index), outputGradient: above, inputGradient: below, steps: steps) {}
            above = below
        }
        return (loss, result)
    }
}
