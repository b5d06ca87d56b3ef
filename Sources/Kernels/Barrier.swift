import CProducts

/// Where ranks that share memory, processes or threads, wait for one another several times in a step. Everything that a rank has
/// written before is then seen by all.
package final class Barrier {
    private let memory: UnsafeMutableRawPointer
    private let owner: AnyObject
    private let rank: Int
    private let size: Int
    private var number: UInt32 = 0
    /// Called when a wait becomes long, and once more when it ends.
    private let waiting: (Bool) -> Void

    /// Floats of memory that the ranks share for it.
    package static func count(size: Int) -> Int { lockstep_barrier_bytes(size) / MemoryLayout<Float>.stride }

    /// - Parameters:
    ///   - memory: `count` floats, zero at first, which belong to `owner`.
    ///   - waiting: called with true when a wait becomes long, and with false when it ends.
    package init(
        _ memory: UnsafeMutableBufferPointer<Float>, of owner: AnyObject, rank: Int, size: Int, waiting: @escaping (Bool) -> Void
    ) {
        precondition(memory.count >= Barrier.count(size: size) && UInt(bitPattern: memory.baseAddress) % 64 == 0)
        self.memory = UnsafeMutableRawPointer(memory.baseAddress!)
        self.owner = owner
        self.rank = rank
        self.size = size
        self.waiting = waiting
    }

    /// Returns once every rank has called it.
    /// - Returns: false if one of them has left instead.
    package func meet() -> Bool {
        number &+= 1
        return lockstep_barrier(
            memory, rank, size, number,
            { context, waits in
                if let context { Unmanaged<Barrier>.fromOpaque(context).takeUnretainedValue().waiting(waits) }
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Lets nobody wait for this rank any more.
    package func leave() { lockstep_leave_barrier(memory) }
}
