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
    /// Where whole sequences start, as `Network.forward` has it; nil for chunks of streams.
    package let starts: UnsafePointer<Int32>?  // [T, B]
    /// Sequences of the batch on all ranks together; nil for chunks of streams, all of which have a part in it.
    package let sequences: Int?
    /// The factor on the learning rate, for batches that count less than others.
    package let learningRateScale: Double

    package init(
        inputs: UnsafePointer<Int32>, targets: UnsafePointer<Int32>, steps: Int, startsAfresh: Bool,
        starts: UnsafePointer<Int32>? = nil, sequences: Int? = nil, learningRateScale: Double = 1
    ) {
        self.inputs = inputs
        self.targets = targets
        self.steps = steps
        self.startsAfresh = startsAfresh
        self.starts = starts
        self.sequences = sequences
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
