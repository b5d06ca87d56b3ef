/// A group of ranks that act together (MPI 4.0, chapter 6). Every method is collective: all ranks call it, in the
/// same order, with the same counts. Results are the same bytes on every rank.
public protocol Communicator: AnyObject {
    /// This process's number, `0 ..< size`.
    var rank: Int { get }
    var size: Int { get }

    /// Replaces `buffer` on every rank by the element-wise sum over ranks.
    /// - Throws: `DiagnosedError` naming the call, the rank and the transport's own message.
    func sum(_ buffer: UnsafeMutableBufferPointer<Float>) throws
    /// As above, for statistics kept in double precision.
    func sum(_ buffer: UnsafeMutableBufferPointer<Double>) throws
    /// Rank `root`'s bytes, on every rank.
    func broadcast(_ buffer: UnsafeMutableRawBufferPointer, from root: Int) throws
    /// Every rank's bytes (lengths may differ), indexed by rank, on `root`; nil elsewhere.
    func gather(_ bytes: [UInt8], at root: Int) throws -> [[UInt8]]?
    /// Every rank's bytes (lengths may differ), indexed by rank, on all ranks.
    func allGather(_ bytes: [UInt8]) throws -> [[UInt8]]
    /// Memory shared by all ranks, of which this rank asks for `count` floats. It lives as long as the communicator.
    /// - Returns: nil on every rank when they do not all run on one machine, or when sharing would gain nothing.
    func shareMemory(_ count: Int) throws -> (any SharedMemory)?
    /// Returns once every rank has called it.
    func barrier() throws
    /// Ends the whole job at once with this exit code; for failures the other ranks cannot know of.
    func abort(_ code: Int32) -> Never
}
