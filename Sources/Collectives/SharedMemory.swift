/// Memory that all ranks of one machine read and write directly (MPI 4.0, section 12.2.3). What one rank writes is visible
/// to the others after the next collective call.
package protocol SharedMemory: AnyObject {
    /// The floats that `rank` asked for, initially zero, aligned to 64 bytes; the 32 bytes behind them can be read too.
    func part(of rank: Int) -> UnsafeMutableBufferPointer<Float>
}
