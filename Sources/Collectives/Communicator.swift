/// A group of ranks that act together (MPI 4.0, chapter 6). Every method is collective: all ranks call it, in the
/// same order, with the same counts. Results are the same bytes on every rank.
package protocol Communicator: AnyObject {
    /// This process's number, `0 ..< size`.
    var rank: Int { get }
    var size: Int { get }

    /// Replaces `buffer` on every rank by the element-wise sum over ranks; for statistics. Gradients have `makeSum`.
    /// - Throws: `DiagnosedError` naming the call, the rank and the transport's own message.
    func sum(_ buffer: UnsafeMutableBufferPointer<Double>) throws
    /// A sum for buffers of up to `count` floats that can be started repeatedly. All ranks start their sums in the same
    /// order; other calls may come in between.
    func makeSum(upTo count: Int, wire: WireFormat) throws -> any PersistentSum
    /// Rank `root`'s bytes, on every rank.
    func broadcast(_ buffer: UnsafeMutableRawBufferPointer, from root: Int) throws
    /// Every rank's bytes (lengths may differ), indexed by rank, on `root`; nil elsewhere.
    func gather(_ bytes: [UInt8], at root: Int) throws -> [[UInt8]]?
    /// Every rank's bytes (lengths may differ), indexed by rank, on all ranks.
    func allGather(_ bytes: [UInt8]) throws -> [[UInt8]]
    /// Fills `buffer` on all ranks with each rank's part of it. The parts are adjacent, in rank order; that of rank r has
    /// `counts[r]` elements of `stride` bytes, in total less than 2 GiB. Allocates nothing, so it suits frequent calls.
    func allGather(in buffer: UnsafeMutableRawBufferPointer, counts: [Int], stride: Int) throws
    /// How these ranks are distributed over machines. Each call makes new groups, which live as long as this communicator.
    func machineGroups() throws -> MachineGroups
    /// Checks that there is enough memory for all that the ranks of a machine will share; this rank will ask for `count`
    /// floats in total. Call it before the first `shareMemory`.
    /// - Throws: `DiagnosedError`, the same on all ranks, which says how much is needed, how much is free, and where.
    func requireSharedMemory(_ count: Int) throws
    /// Memory shared by all ranks, which must be on one machine; this rank asks for `count` floats of it. It lives as
    /// long as the communicator.
    func shareMemory(_ count: Int) throws -> any SharedMemory
    /// Returns once every rank has called it.
    func barrier() throws
    /// Ends the whole job at once with this exit code; for failures that the other ranks cannot know about.
    func abort(_ code: Int32) -> Never
}

/// The two groups in which a rank sums gradients: first the ranks of its machine, in shared memory, then its counterparts on the
/// other machines, by messages. With m machines of n ranks each, there are m groups of n and n groups of m.
///
/// If the machines have unequal numbers of ranks, each rank counts as a machine: `here` has one rank, `across` has all.
package struct MachineGroups {
    /// The ranks of this machine.
    package let here: any Communicator
    /// One rank of each machine, by machine: those that have the same number in `here` as this one.
    package let across: any Communicator

    package init(here: any Communicator, across: any Communicator) {
        self.here = here
        self.across = across
    }
}

extension Communicator {
    /// Ranks of one process share all memory.
    package func requireSharedMemory(_ count: Int) throws {}
}
