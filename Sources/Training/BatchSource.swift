import Corpus

/// What one rank trains in a step, for its B streams (or sequences). The memory is the source's, and is filled again by its next
/// batch.
package struct Batch {
    package let inputs: UnsafePointer<Int32>  // [T, B], time-major
    /// -1 where nothing is predicted.
    package let targets: UnsafePointer<Int32>  // [T, B]
    package let steps: Int  // T
    /// Whether the carried state is zero before the first step, in all streams.
    package let startsAfresh: Bool
    /// The factor on the learning rate, for batches that count less than others.
    package let learningRateScale: Double

    package init(
        inputs: UnsafePointer<Int32>, targets: UnsafePointer<Int32>, steps: Int, startsAfresh: Bool,
        learningRateScale: Double = 1
    ) {
        self.inputs = inputs
        self.targets = targets
        self.steps = steps
        self.startsAfresh = startsAfresh
        self.learningRateScale = learningRateScale
    }
}

/// Gives each step of one rank its batch, epoch after epoch, and owns the memory for it. What a batch holds is a function of
/// the seed, the position and the step, so that the sources of all ranks stay in step, and a resumed run reads on where the
/// checkpoint was made.
package protocol BatchSource: AnyObject {
    /// Where the next batch starts: the epoch, and how far into it. A checkpoint stores it.
    var position: DataPosition { get }

    /// Continues from a position that this source, or that of another number of ranks, once had.
    /// - Throws: `PartitionError.positionOutside`.
    func seek(_ position: DataPosition) throws

    /// - Parameter step: the training step, from 1.
    func next(_ step: Int) -> Batch
}
