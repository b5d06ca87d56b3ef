/// The lines of a file or of standard input, one at a time.
public final class LineReader {
    private let file: File
    private var buffer: [UInt8]
    private var unread: Range<Int> = 0..<0
    private var ended = false

    /// - Parameter path: nil for standard input.
    /// - Throws: `FileError`.
    public init(_ path: String?) throws {
        file = try path.map { try File.open($0, .read) } ?? File.standardInput()
        buffer = [UInt8](repeating: 0, count: 1 << 16)
    }

    /// Whether asking for the next line would not wait for whoever writes it, provided that it writes whole lines.
    public var isReady: Bool { ended || buffer[unread].contains(UInt8(ascii: "\n")) || file.isReadable }

    /// The next line without its newline, nil at the end. A last line needs no newline.
    public func next() throws -> [UInt8]? {
        var line: [UInt8] = []
        while !ended {
            if let end = buffer[unread].firstIndex(of: UInt8(ascii: "\n")) {
                line += buffer[unread.lowerBound..<end]
                unread = end + 1..<unread.upperBound
                return line
            }
            line += buffer[unread]
            let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0) }
            unread = 0..<count
            ended = count == 0
        }
        return line.isEmpty ? nil : line
    }
}
