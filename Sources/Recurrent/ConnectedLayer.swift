import Kernels

/// The parts common to all connections around a recurrent layer: the layer `h` of x itself, and y, which is made of both.
package class ConnectedLayer {
    let inner: any Layer
    /// Width of x.
    let inputs: Int
    /// Width of h: H, or 2H in both directions.
    let hidden: Int
    /// y of each step, [T, B, out]. When the backward pass reaches a layer, nobody reads y any more, and a connection keeps
    /// there what the layer itself may overwrite.
    let joined: Buffer
    let clock: PhaseClock

    /// - Parameter width: of y.
    static func plan(_ shape: LayerShape, width: Int) -> LayerPlan {
        var plan = shape.model.recurrentLayer.plan(shape)
        plan.unshared = "model.connections"
        plan.values += shape.chunk.values * Double(width)
        return plan
    }

    init(
        width: Int, _ shape: LayerShape, _ parameters: Arena, _ sums: GradientSums?, _ clock: PhaseClock
    ) throws {
        inner = try shape.model.recurrentLayer.init(shape, parameters: parameters, sums: sums, clock: clock)
        inputs = shape.inputs
        hidden = shape.output
        joined = Buffer(count: shape.chunk.rows * width)
        self.clock = clock
    }

    package final var batch: Int {
        get { inner.batch }
        set { inner.batch = newValue }
    }
    package final var lines: LineStarts? {
        get { inner.lines }
        set { inner.lines = newValue }
    }
    package final var stateGradients: StateGradients? {
        get { inner.stateGradients }
        set { inner.stateGradients = newValue }
    }
    package final var output: UnsafeMutablePointer<Float> { joined.base }
    package final var state: [Buffer] { inner.state }
    package final func rewind() { inner.rewind() }
    package func packWeights() throws { try inner.packWeights() }
    package final func dropWeights(_ context: StepContext?) { inner.dropWeights(context) }
}
