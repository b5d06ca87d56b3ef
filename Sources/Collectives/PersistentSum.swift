/// A sum over ranks that is made again and again, as in every training step, and goes on while its ranks do other things.
/// What it needs is allocated when it is made, not when it begins (MPI 4.0, section 6.13, has the word).
public protocol PersistentSum: AnyObject {
    /// Begins to replace `buffer` on every rank by the element-wise sum over ranks, and returns. The buffer must stay and
    /// not be touched until the sum is complete; the one before must be.
    /// - Parameter buffer: as long on every rank, and no longer than the sum was made for.
    func begin(_ buffer: UnsafeMutableBufferPointer<Float>) throws
    /// Moves the transfer on as far as that goes without waiting. Call it often: nothing moves by itself.
    /// - Returns: whether nothing is under way, and the buffer, if there was one, holds the sum.
    func advance() throws -> Bool
}

extension Communicator {
    /// Returns once all of these sums that have begun are complete. They share the way, so that one fills what another
    /// leaves idle.
    public func finish(_ sums: [any PersistentSum]) throws {
        var left = sums.count
        while left > 0 {
            left = 0
            for sum in sums where try !sum.advance() { left += 1 }
        }
    }
}

/// How numbers travel. Sums are always made in single precision.
public enum WireFormat: String, Sendable, CaseIterable {
    case float32
    /// The upper half of a single-precision number, rounded: half the bytes, 8 bits of precision.
    case bfloat16
}

/// For transports whose ranks have nothing to gain from it: the sum is made when it is asked for.
public final class SumWhenAsked: PersistentSum {
    private let sum: (UnsafeMutableBufferPointer<Float>) throws -> Void
    private var buffer: UnsafeMutableBufferPointer<Float>?

    public init(_ sum: @escaping (UnsafeMutableBufferPointer<Float>) throws -> Void) { self.sum = sum }

    public func begin(_ buffer: UnsafeMutableBufferPointer<Float>) { self.buffer = buffer }

    public func advance() throws -> Bool {
        if let buffer { try sum(buffer) }
        buffer = nil
        return true
    }
}
