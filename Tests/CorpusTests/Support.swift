import Files
import Glibc
import Testing

@testable import Corpus

/// A folder that is gone when the test is.
final class TemporaryFolder {
    let path: String

    init(in parent: String = "/tmp") {
        var template = Array("\(parent)/lockstep-corpus-XXXXXX".utf8CString)
        path = String(cString: mkdtemp(&template))
    }

    deinit { try? Folder.remove(path) }

    func write(_ bytes: [UInt8], as name: String) throws -> String {
        let file = try File.open("\(path)/\(name)", .write)
        try bytes.withUnsafeBytes { try file.write($0) }
        try file.close()
        return "\(path)/\(name)"
    }

    func write(_ text: String, as name: String) throws -> String { try write(Array(text.utf8), as: name) }
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// The vocabulary of a training text.
func vocabulary(_ text: String, _ level: TokenLevel, limit: Int? = nil, needsUnknown: Bool = false) throws -> Vocabulary
{
    try vocabulary(bytes(text), level, limit: limit, needsUnknown: needsUnknown)
}

func vocabulary(
    _ text: [UInt8], _ level: TokenLevel, limit: Int? = nil, needsUnknown: Bool = false
) throws -> Vocabulary {
    var reader = SymbolReader(level: level)
    var counts = SymbolCounts()
    var symbols = [Int32](repeating: 0, count: text.count + 1)
    try text.withUnsafeBufferPointer { text in
        try symbols.withUnsafeMutableBufferPointer {
            let (consumed, produced) = try reader.read(
                TextPiece(bytes: text, offset: 0, file: nil, isLast: true), learning: true, into: $0.baseAddress!)
            #expect(consumed == text.count)
            counts.add(UnsafeBufferPointer(rebasing: $0[..<produced]))
        }
    }
    return Vocabulary(reader, counts: counts, limit: limit, needsUnknown: needsUnknown)
}

extension Vocabulary {
    var strings: [String] { (0..<count).map { String(decoding: bytes(of: $0), as: UTF8.self) } }
}
