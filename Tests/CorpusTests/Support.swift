import Files
import Glibc
import Testing

@testable import Corpus

/// A folder that is gone when the test is.
final class TemporaryFolder {
    let path: String

    init() {
        var template = Array("/tmp/lockstep-corpus-XXXXXX".utf8CString)
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
    var counter = SymbolCounter(level: level)
    try bytes(text).withUnsafeBufferPointer {
        let consumed = try counter.count(TextPiece(bytes: $0, offset: 0, file: nil, isLast: true))
        #expect(consumed == $0.count)
    }
    return Vocabulary(counter, limit: limit, needsUnknown: needsUnknown)
}

extension Vocabulary {
    var strings: [String] { (0..<count).map { String(decoding: bytes(of: $0), as: UTF8.self) } }
}
