import Kernels
import Optimization
import Recurrent

/// Sums all ranks' gradients, each rank its part of the parameters (`ParameterStore.Part`). There are two ways:
/// `OverlappedExchange`, the fastest, and `ShardExchange`, whose result does not depend on the number of ranks.
protocol GradientExchange: AnyObject {
    var store: ParameterStore { get }
    /// Where the backward pass puts this rank's gradients.
    /// - Parameter steps: T of the longest chunk.
    /// - Throws: `KernelError`.
    func makeSums(steps: Int) throws -> GradientSums
    /// What the backward pass reports to; nil if nothing can be done before the gradient is complete.
    var observer: (any BackwardObserver)? { get }
    /// After `run`, in this rank's part: the sum over all ranks.
    var sum: Arena { get }

    /// Tells the ranks of this machine what this one has touched in the step; they see it after the next collective call.
    /// - Parameters:
    ///   - tokens: those that it has read.
    ///   - others: blocks of the head's sparse parameters (`SparseRows`).
    func publish(_ tokens: UnsafeBufferPointer<Int32>, _ others: UnsafeBufferPointer<Int32>)
    /// Collective among the machines. Completes what the backward pass has started.
    func finishStarted() throws
    /// Collective among the machines. Call it when the gradients of this machine's ranks are complete.
    func run() throws
    /// Adds up the squares of this rank's part of the sum.
    func measure()
    /// Collective among the ranks of a machine, after `measure`.
    /// - Returns: the same on every rank.
    func norm() throws -> GradientNorm

    /// The first tensor of this rank's own gradient, before any sum over ranks, that is not finite.
    var nonFiniteTensor: String? { get }
}
