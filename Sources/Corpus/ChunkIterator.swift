/// How far training has read: everything needed to resume exactly.
package struct DataPosition: Codable, Equatable, Sendable {
    package var epoch: Int
    /// Predictions that each stream has made in this epoch.
    package var offset: Int

    package init(epoch: Int = 0, offset: Int = 0) {
        self.epoch = epoch
        self.offset = offset
    }
}

/// Describes what `ChunkIterator.next` has filled in.
package struct Chunk: Equatable, Sendable {
    /// Time steps T; the last chunk of an epoch may be shorter than requested.
    package let steps: Int
    /// Whether the carried state must be reset before this chunk.
    package let startsEpoch: Bool
}

/// Walks through some streams of a partition in chunks, epoch after epoch. Iterators over different streams of one partition
/// stay in step if they are asked for the same lengths, whatever ranks they are on.
package struct ChunkIterator: Sendable {
    /// The target if a stream has no prediction to make.
    package static let noTarget: Int32 = -1

    package let tokens: TokenStore
    package let partition: StreamPartition
    /// B consecutive streams.
    package let streams: Range<Int>
    /// Where the next chunk starts.
    package private(set) var position: DataPosition

    /// - Throws: `PartitionError.positionOutside`.
    package init(
        _ tokens: TokenStore, partition: StreamPartition, streams: Range<Int>, position: DataPosition = DataPosition()
    ) throws {
        precondition(tokens.count == partition.tokens)
        precondition(streams.lowerBound >= 0 && streams.upperBound <= partition.streams)
        guard position.epoch >= 0, position.offset >= 0, position.offset < partition.steps else {
            throw PartitionError.positionOutside(
                epoch: position.epoch, offset: position.offset, steps: partition.steps)
        }
        self.tokens = tokens
        self.partition = partition
        self.streams = streams
        self.position = position
    }

    /// Fills in the next chunk, time-major: entry `t * B + b` belongs to step t of stream `streams[b]`. Entries past
    /// the end of a stream have input 0 and target `noTarget`.
    /// - Parameters:
    ///   - length: time steps wanted, at least 1.
    ///   - inputs: `[length, B]`
    ///   - targets: `[length, B]`: the inputs one step later.
    package mutating func next(
        length: Int, inputs: UnsafeMutableBufferPointer<Int32>, targets: UnsafeMutableBufferPointer<Int32>
    ) -> Chunk {
        precondition(length > 0)
        let steps = min(length, partition.steps - position.offset)
        let width = streams.count
        precondition(inputs.count >= steps * width && targets.count >= steps * width)

        for (column, stream) in streams.enumerated() {
            let first = partition.start(of: stream) + position.offset
            let count = min(steps, partition.length(of: stream) - position.offset)
            tokens.copy(from: first, count: count, to: inputs.baseAddress! + column, stride: width)
            tokens.copy(from: first + 1, count: count, to: targets.baseAddress! + column, stride: width)
            for step in count..<steps {
                inputs[step * width + column] = 0
                targets[step * width + column] = ChunkIterator.noTarget
            }
        }

        let startsEpoch = position.offset == 0
        position.offset += steps
        if position.offset == partition.steps { position = DataPosition(epoch: position.epoch + 1) }
        return Chunk(steps: steps, startsEpoch: startsEpoch)
    }
}
