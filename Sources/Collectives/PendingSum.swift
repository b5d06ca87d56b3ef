/// A sum over ranks that goes on while its ranks do other things.
public protocol PendingSum: AnyObject {
    /// Moves the transfer on as far as that goes without waiting. Call it often: nothing moves by itself.
    func advance() throws
    /// Returns once the buffer holds the sum.
    func finish() throws
}

/// How numbers travel. Sums are always made in single precision.
public enum WireFormat: String, Sendable, CaseIterable {
    case float32
    /// The upper half of a single-precision number, rounded: half the bytes, 8 bits of precision.
    case bfloat16
}

/// For transports whose ranks have nothing to gain from it: the sum is made when it is finished.
public final class SumAtTheEnd: PendingSum {
    private var sum: (() throws -> Void)?

    public init(_ sum: @escaping () throws -> Void) { self.sum = sum }

    public func advance() {}

    public func finish() throws {
        try sum?()
        sum = nil
    }
}
