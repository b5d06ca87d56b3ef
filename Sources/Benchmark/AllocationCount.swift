import CBenchmarkShim

/// Heap allocations of this thread, anywhere in the process.
package struct AllocationCount: Codable, Sendable {
    package let calls: Int
    /// Bytes requested in all calls.
    package let bytes: Int
    /// The calls from this program and Swift's libraries, not from MPI.
    package let own: Int

    /// Counts what `body` allocates; nil if that cannot be counted (see allocations.c). No library may be loaded
    /// meanwhile.
    package static func during(_ body: () throws -> Void) rethrows -> AllocationCount? {
        guard lockstep_count_begin() else {
            try body()
            return nil
        }
        do {
            try body()
        } catch {
            _ = lockstep_count_end()
            throw error
        }
        let counted = lockstep_count_end()
        return AllocationCount(calls: Int(counted.count), bytes: Int(counted.bytes), own: Int(counted.own))
    }
}
