import Diagnostics
import Files
import Glibc

/// Parsers with the faults that the fuzzer is there to see: for its own test, not in the list.
extension Parser {
    static func faulty(_ fault: String, in folder: String) -> Parser? {
        guard ["trap", "hang", "memory", "stack", "untyped", "escape"].contains(fault) else { return nil }
        let path = "\(folder)/f"
        return Parser("test-\(fault)", [Array("a sound file".utf8)], words: ["!"], at: path) {
            let bytes = try File.contents(of: path)
            guard bytes.count > 100 else { return }
            switch fault {
            case "trap": _ = bytes[bytes.count + Int(bytes[0])]
            case "hang": while getpid() > 0 {}
            case "memory": print([UInt8](repeating: bytes[0], count: 1 << 30)[Int(bytes[1])])
            case "stack": print(depth(bytes, 0))
            case "untyped": throw Untyped()
            default: throw Escape(found: "\u{1B}[2J")
            }
        }
    }

    /// Deeper than any stack.
    private static func depth(_ bytes: [UInt8], _ level: Int) -> Int {
        level > 1 << 40 ? 0 : depth(bytes, level + 1) ^ Int(bytes[level % bytes.count])
    }

    private struct Untyped: Error {}

    private struct Escape: DiagnosedError, CustomStringConvertible {
        let found: String
        var kind: FailureKind { .data }
        var diagnosis: Diagnosis { Diagnosis("escape") }
        var description: String { found }
    }
}
