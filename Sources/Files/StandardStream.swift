import Glibc

/// Standard output and standard error, written to directly: each call is one write, nothing stays in a buffer.
public struct StandardStream: Sendable {
    public static let output = StandardStream(descriptor: 1)
    public static let error = StandardStream(descriptor: 2)

    let descriptor: Int32

    public var isTerminal: Bool { isatty(descriptor) == 1 }

    /// - Returns: false when nobody reads any more (a closed pipe) or the device is full. Never fatal: output to people is
    ///   not worth a training run.
    @discardableResult
    public func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = retrying { Glibc.write(descriptor, bytes.baseAddress! + done, bytes.count - done) }
            if count < 0 { return false }
            done += count
        }
        return true
    }

    @discardableResult
    public func write(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { write(UnsafeRawBufferPointer($0)) }
    }
}
