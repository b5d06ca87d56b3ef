import Kernels

/// A linear mixture: the weighted mean of the probabilities that several models give (Jelinek and Mercer 1980).
/// docs/mathematics.md (50).
package final class MixturePredictor: Blend {
    private let members: [any TokenPredictor]
    /// One for each member, at least 0, with the sum 1. A member of weight 0 reads along.
    package var weights: [Double]
    /// Of the chunk's predictions by each member, nats.
    private var losses: [[Double]]
    package private(set) var parts: [Double]
    private var output = Buffer(count: 0)  // [V]
    private var scratch = Buffer(count: 0)  // [V]

    /// - Parameters:
    ///   - members: at least two, of one vocabulary; used for nothing else.
    ///   - weights: nil for equal ones.
    package init(_ members: [any TokenPredictor], weights: [Double]? = nil) {
        let weights = weights ?? members.map { _ in 1 / Double(members.count) }
        precondition(members.count >= 2 && members.count == weights.count && weights.allSatisfy { $0 >= 0 })
        precondition(members.allSatisfy { $0.vocabularySize == members[0].vocabularySize }, "models of different vocabularies")
        self.members = members
        self.weights = weights
        losses = members.map { _ in [] }
        parts = members.map { _ in 0 }
    }

    package var vocabularySize: Int { members[0].vocabularySize }

    /// If one of the models reads each line by itself, all of them read the end of a line first.
    package var lineStart: Int32? { members.lazy.compactMap(\.lineStart).first }

    package var chunkLength: Int { members.map(\.chunkLength).min()! }

    package func reserve(streams: Int, steps: Int) throws {
        for member in members { try member.reserve(streams: streams, steps: steps) }
        output = Buffer(count: vocabularySize)
        scratch = Buffer(count: vocabularySize)
    }

    package func refresh() throws { for member in members { try member.refresh() } }

    package func reset(streams: Int) { for member in members { member.reset(streams: streams) } }

    package func read(_ tokens: UnsafePointer<Int32>, steps: Int) throws {
        for member in members { try member.read(tokens, steps: steps) }
    }

    package func losses(of targets: UnsafePointer<Int32>, each: (_ row: Int, _ nats: Double) -> Void) throws {
        var rows: [Int] = []
        for (index, member) in members.enumerated() {
            losses[index].removeAll(keepingCapacity: true)
            rows.removeAll(keepingCapacity: true)
            try member.losses(of: targets) { row, nats in
                rows.append(row)
                losses[index].append(nats)
            }
        }
        for (place, row) in rows.enumerated() {
            for index in members.indices { parts[index] = losses[index][place] }
            each(row, Mean.nats(parts, weights))
        }
    }

    package func logits(ofStream stream: Int) throws -> UnsafeMutableBufferPointer<Float> {
        let logits = try members.map { try $0.logits(ofStream: stream) }
        let totals = logits.map { Mean.logarithmOfTotal($0, scratch: scratch) }
        var nats = parts
        let result = UnsafeMutableBufferPointer(start: output.base, count: vocabularySize)
        for word in result.indices {
            for index in members.indices { nats[index] = totals[index] - Double(logits[index][word]) }
            result[word] = Float(-Mean.nats(nats, weights))
        }
        return result
    }
}
