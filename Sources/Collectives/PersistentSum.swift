/// A sum over ranks that is repeated, as in every training step, and that proceeds while its ranks do other work.
/// Its memory is allocated when it is created, not when it starts (the name is that of MPI 4.0, section 6.13).
package protocol PersistentSum: AnyObject {
    /// Starts to replace `buffer` on every rank by the element-wise sum over ranks, and returns. The buffer must stay valid and
    /// untouched until the sum is complete; the previous sum must be complete.
    /// - Parameter buffer: of the same length on every rank, and no longer than the sum was created for.
    func begin(_ buffer: UnsafeMutableBufferPointer<Float>) throws
    /// Advances the transfer as far as possible without waiting. Call it often: the transfer does not advance by itself.
    /// - Returns: whether no sum is in progress; the buffer, if there was one, then holds the sum.
    func advance() throws -> Bool
}

extension Communicator {
    /// Returns once all of these sums that have started are complete. They share the network, so that one uses what another
    /// leaves idle.
    package func finish(_ sums: [any PersistentSum]) throws {
        var left = sums.count
        while left > 0 {
            left = 0
            for sum in sums where try !sum.advance() { left += 1 }
        }
    }
}

/// The format in which numbers are sent. Sums are always computed in single precision.
package enum WireFormat: String, Sendable, CaseIterable {
    case float32
    /// The upper half of a single-precision number, rounded: half the bytes, 8 bits of precision.
    case bfloat16
}

/// For transports whose ranks would gain nothing from overlap: the sum is computed when it is started.
package final class SumWhenAsked: PersistentSum {
    private let sum: (UnsafeMutableBufferPointer<Float>) throws -> Void
    private var buffer: UnsafeMutableBufferPointer<Float>?

    package init(_ sum: @escaping (UnsafeMutableBufferPointer<Float>) throws -> Void) { self.sum = sum }

    package func begin(_ buffer: UnsafeMutableBufferPointer<Float>) { self.buffer = buffer }

    package func advance() throws -> Bool {
        if let buffer { try sum(buffer) }
        buffer = nil
        return true
    }
}
