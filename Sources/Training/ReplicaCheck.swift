import Collectives
import Files
import Kernels
import Recurrent

/// Checks that all ranks with their own copy of the parameters still have the same bytes. A flipped bit, a
/// faulty processor or an error in the exchange would otherwise go unnoticed.
enum ReplicaCheck {
    /// Collective.
    /// - Parameter prefix: of the tensors' names in the error.
    /// - Throws: `TrainingError.replicasDiffer`, equal on all ranks; transport errors.
    static func run(_ parameters: Arena, named prefix: String = "", step: Int, _ communicator: any Communicator) throws {
        func digest(_ values: Elements) -> [UInt8] {
            values.withUnsafe { Array(Digest.sha256(UnsafeRawBufferPointer($0)).utf8) }
        }
        let whole = try communicator.allGather(digest(parameters.buffer.elements))
        guard whole.contains(where: { $0 != whole[0] }) else { return }
        for entry in parameters.layout.entries {
            let digests = try communicator.allGather(digest(parameters.values(entry)))
            let odd = odd(digests)
            guard odd.isEmpty else {
                throw TrainingError.replicasDiffer(step: step, tensor: prefix + entry.name, ranks: odd)
            }
        }
    }

    /// The ranks outside the largest group; all ranks if there is no such group.
    static func odd(_ values: [[UInt8]]) -> [Int] {
        let groups = Dictionary(grouping: values.indices) { values[$0] }.values.sorted { $0.count > $1.count }
        if groups.count == 1 { return [] }
        if groups[0].count == groups[1].count { return Array(values.indices) }
        return groups.dropFirst().flatMap { $0 }.sorted()
    }
}
