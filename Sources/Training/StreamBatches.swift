import Corpus

/// Truncated back-propagation through time: a rank's streams in chunks, each of which starts from the state that the one
/// before has left.
package final class StreamBatches: BatchSource {
    private let partition: StreamPartition
    private let unroll: UnrollPlan
    private var chunks: ChunkIterator
    private let inputs: UnsafeMutableBufferPointer<Int32>  // [T, B]
    private let targets: UnsafeMutableBufferPointer<Int32>  // [T, B]

    /// - Parameters:
    ///   - streams: those of this rank.
    ///   - unroll: T of each step.
    package init(_ tokens: TokenStore, partition: StreamPartition, streams: Range<Int>, unroll: UnrollPlan) throws {
        self.partition = partition
        self.unroll = unroll
        chunks = try ChunkIterator(tokens, partition: partition, streams: streams)
        inputs = .allocate(capacity: unroll.maximumLength * streams.count)
        inputs.initialize(repeating: 0)
        targets = .allocate(capacity: unroll.maximumLength * streams.count)
        targets.initialize(repeating: 0)
    }

    deinit {
        inputs.deallocate()
        targets.deallocate()
    }

    package var position: DataPosition { chunks.position }

    package func seek(_ position: DataPosition) throws {
        chunks = try ChunkIterator(chunks.tokens, partition: partition, streams: chunks.streams, position: position)
    }

    package func next(_ step: Int) -> Batch {
        let chunk = chunks.next(length: unroll.length(atStep: step), inputs: inputs, targets: targets)
        return Batch(
            inputs: inputs.baseAddress!, targets: targets.baseAddress!, steps: chunk.steps, startsAfresh: chunk.startsEpoch,
            learningRateScale: unroll.learningRateScale(steps: chunk.steps))
    }
}
