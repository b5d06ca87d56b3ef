import Corpus
import Randomness

/// Whole sequences, S of them in a step: each rank has those in its places of the batch, which do not depend on how many ranks there
/// are.
///
/// The order is a function of seed and epoch: all sequences are shuffled, those of `grouped` batches at a time are sorted by length, and
/// the batches shuffled again. So the sequences of a batch are about equally long, and short and long ones alternate. The last batch of
/// the sorting may be smaller than S; its places without a sequence are padding.
package final class SentenceBatches: BatchSource {
    private let sequences: SequenceStore
    private let size: Int  // S
    private let own: Range<Int>
    private let seed: UInt64
    /// By the place in the epoch: the batch.
    private var batches: [Int32] = []
    /// The batches one after another, S sequences in each.
    private var order: [Int32] = []
    /// The epoch of both; -1 before the first.
    private var orderedEpoch = -1
    private let inputs: UnsafeMutableBufferPointer<Int32>  // [T, B]
    private let targets: UnsafeMutableBufferPointer<Int32>  // [T, B]
    private let starts: UnsafeMutableBufferPointer<Int32>  // [T, B]

    /// The number of the next batch in its epoch is the position's offset.
    package private(set) var position = DataPosition()

    /// Batches whose sequences are sorted together.
    private static let grouped = 64

    /// - Parameters:
    ///   - size: S.
    ///   - own: this rank's places in a batch.
    /// - Throws: `PartitionError.tooManySequences`.
    package init(_ sequences: SequenceStore, size: Int, own: Range<Int>, seed: UInt64) throws {
        guard sequences.count <= Int(Int32.max) else { throw PartitionError.tooManySequences(name: sequences.tokens.path, sequences: sequences.count) }
        self.sequences = sequences
        self.size = size
        self.own = own
        self.seed = seed
        let memory = (0..<3).map { _ in
            let buffer = UnsafeMutableBufferPointer<Int32>.allocate(capacity: sequences.longest * own.count)
            buffer.initialize(repeating: 0)
            return buffer
        }
        (inputs, targets, starts) = (memory[0], memory[1], memory[2])
    }

    deinit { for buffer in [inputs, targets, starts] { buffer.deallocate() } }

    /// The number of batches in an epoch.
    package static func batches(_ sequences: SequenceStore, size: Int) -> Int { (sequences.count + size - 1) / size }

    package func seek(_ position: DataPosition) throws {
        let batches = SentenceBatches.batches(sequences, size: size)
        guard position.epoch >= 0, 0..<batches ~= position.offset else {
            throw PartitionError.positionOutside(epoch: position.epoch, offset: position.offset, steps: batches)
        }
        self.position = position
    }

    package func next(_ step: Int) -> Batch {
        if orderedEpoch != position.epoch { shuffle(position.epoch) }
        let first = Int(batches[position.offset]) * size
        let all = order[first..<min(first + size, order.count)]
        let steps = all.reduce(1) { max($0, sequences.length(of: Int($1))) }
        let width = own.count
        for (column, place) in own.enumerated() {
            var length = 0
            if place < all.count {
                let sequence = Int(all[first + place])
                length = sequences.length(of: sequence)
                sequences.copy(sequence, inputs: inputs.baseAddress! + column, targets: targets.baseAddress! + column, stride: width)
            }
            SequenceStore.pad(
                length, to: steps, inputs: inputs.baseAddress! + column, targets: targets.baseAddress! + column,
                starts: starts.baseAddress! + column, stride: width)
        }
        position.offset += 1
        if position.offset == batches.count { position = DataPosition(epoch: position.epoch + 1) }
        return Batch(
            inputs: inputs.baseAddress!, targets: targets.baseAddress!, steps: steps, startsAfresh: false, starts: starts.baseAddress!,
            sequences: all.count)
    }

    private func shuffle(_ epoch: Int) {
        var random = PhiloxSequence(seed: seed, purpose: .sequenceOrder, stream: UInt64(epoch))
        order = (0..<Int32(sequences.count)).map(\.self)
        order.shuffle(with: &random)
        for start in stride(from: 0, to: order.count, by: SentenceBatches.grouped * size) {
            let group = order[start..<min(start + SentenceBatches.grouped * size, order.count)]
            let lengths = group.map { sequences.length(of: Int($0)) }
            // Equal lengths keep the order of the shuffling.
            let sorted = lengths.indices.sorted { (lengths[$0], $0) < (lengths[$1], $1) }
            order.replaceSubrange(group.indices, with: sorted.map { group[group.startIndex + $0] })
        }
        batches = (0..<Int32(SentenceBatches.batches(sequences, size: size))).map(\.self)
        batches.shuffle(with: &random)
        orderedEpoch = epoch
    }
}

extension [Int32] {
    /// Fisher and Yates, written out because the library may change its own.
    fileprivate mutating func shuffle(with random: inout PhiloxSequence) {
        for last in stride(from: count - 1, to: 0, by: -1) {
            let other = Int(random.next().multipliedFullWidth(by: UInt64(last + 1)).high)
            swapAt(last, other)
        }
    }
}
