/// Memory that all ranks of one machine read and write directly (MPI 4.0, section 12.2.3). What one rank writes is seen
/// by the others after the next collective call.
public protocol SharedMemory: AnyObject {
    /// The floats that `rank` asked for, zero at first, aligned to 64 bytes; 32 more bytes behind them can be read.
    func part(of rank: Int) -> UnsafeMutableBufferPointer<Float>
}
