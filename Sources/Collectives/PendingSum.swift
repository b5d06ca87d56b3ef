/// A sum over ranks that goes on while its ranks do other things.
public protocol PendingSum: AnyObject {
    /// Moves the transfer on as far as that goes without waiting. Call it often: nothing moves by itself.
    /// - Returns: whether the buffer holds the sum.
    func advance() throws -> Bool
}

extension Communicator {
    /// Returns once all these sums are made. They share the way, so that one fills what another leaves idle.
    public func finish(_ sums: [any PendingSum]) throws {
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
public final class SumWhenAsked: PendingSum {
    private var sum: (() throws -> Void)?

    public init(_ sum: @escaping () throws -> Void) { self.sum = sum }

    public func advance() throws -> Bool {
        try sum?()
        sum = nil
        return true
    }
}
