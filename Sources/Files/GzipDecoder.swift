import CZlib
import Diagnostics

/// Decompresses gzip (RFC 1952): one member, or several in a row, as `cat a.gz b.gz` and bgzip make them. Zeros may follow
/// the last one, as on tapes. Memory: zlib's window and 64 KiB.
final class GzipDecoder {
    static let magic: [UInt8] = [0x1F, 0x8B, 0x08]

    private let path: String
    /// On the heap: zlib's state points back to it.
    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    private let input = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 1 << 16)
    /// Compressed bytes taken from the source.
    private var taken = 0
    /// Whether a member has ended and no other has begun.
    private var isBetweenMembers = false
    private var isPadding = false

    /// - Parameter path: for errors.
    init(_ path: String) throws {
        self.path = path
        stream.initialize(to: z_stream())
        let withGzipHeader: Int32 = 15 + 16
        let code = inflateInit2_(stream, withGzipHeader, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard code == Z_OK else { throw GzipError.noMemory(file: path) }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
        input.deallocate()
    }

    /// Writes up to `output.count` decompressed bytes.
    /// - Parameter source: fills a buffer with compressed bytes and returns how many; 0 at the end.
    /// - Returns: how many bytes; 0 at the end.
    /// - Throws: `GzipError`, and what `source` throws.
    func read(
        into output: UnsafeMutableRawBufferPointer, from source: (UnsafeMutableRawBufferPointer) throws -> Int
    ) throws -> Int {
        let room = min(output.count, 1 << 30)
        stream.pointee.next_out = output.assumingMemoryBound(to: UInt8.self).baseAddress
        stream.pointee.avail_out = UInt32(room)
        while stream.pointee.avail_out == UInt32(room) {
            if stream.pointee.avail_in == 0 {
                let count = try source(UnsafeMutableRawBufferPointer(input))
                guard count > 0 else {
                    if isBetweenMembers { return 0 }
                    throw GzipError.truncated(file: path, offset: taken)
                }
                taken += count
                stream.pointee.next_in = input.baseAddress
                stream.pointee.avail_in = UInt32(count)
            }
            if isBetweenMembers {
                guard try beginMember() else { continue }
            }
            switch inflate(stream, Z_NO_FLUSH) {
            case Z_OK, Z_BUF_ERROR: break
            case Z_STREAM_END: isBetweenMembers = true
            case Z_MEM_ERROR: throw GzipError.noMemory(file: path)
            default:
                let problem = stream.pointee.msg.map { String(cString: $0) } ?? "not gzip"
                throw GzipError.corrupt(file: path, offset: offset, problem: problem)
            }
        }
        return room - Int(stream.pointee.avail_out)
    }

    /// Position in the compressed file.
    private var offset: Int { taken - Int(stream.pointee.avail_in) }

    /// - Returns: false when all the input is padding.
    private func beginMember() throws -> Bool {
        while stream.pointee.avail_in > 0, stream.pointee.next_in.pointee == 0 {
            isPadding = true
            stream.pointee.next_in += 1
            stream.pointee.avail_in -= 1
        }
        guard stream.pointee.avail_in > 0 else { return false }
        guard !isPadding, stream.pointee.next_in.pointee == GzipDecoder.magic[0] else {
            throw GzipError.trailingBytes(file: path, offset: offset)
        }
        inflateReset(stream)
        isBetweenMembers = false
        return true
    }
}

/// Compressed text that cannot be read. Offsets are in the compressed file.
package enum GzipError: DiagnosedError, Equatable {
    case truncated(file: String, offset: Int)
    case corrupt(file: String, offset: Int, problem: String)
    case trailingBytes(file: String, offset: Int)
    case noMemory(file: String)

    package var kind: FailureKind {
        if case .noMemory = self { .inputOutput } else { .data }
    }

    package var diagnosis: Diagnosis {
        switch self {
        case .truncated(let file, let offset):
            Diagnosis(
                "the gzip data end too early", file: file, location: "byte \(offset)",
                remedy: "copy or download the file again; `gzip -t` tests it")
        case .corrupt(let file, let offset, let problem):
            Diagnosis(
                "the gzip data are damaged (\(problem))", file: file, location: "byte \(offset)",
                remedy: "copy or download the file again; `gzip -t` tests it")
        case .trailingBytes(let file, let offset):
            Diagnosis(
                "the gzip data are followed by something else", file: file, location: "byte \(offset)",
                remedy: "decompress the file with `gzip -dc`, check the text, and give that")
        case .noMemory(let file): Diagnosis("no memory to decompress", file: file)
        }
    }
}
