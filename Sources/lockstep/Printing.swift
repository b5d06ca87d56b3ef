import Diagnostics
import Files

/// As the standard library's, for people: a path that is not UTF-8 shows its bytes (`caf\xE9`).
func print(_ text: String, terminator: String = "\n") { Swift.print(text.legible, terminator: terminator) }

/// A line for programs: a path in its own bytes.
func print(path: String) { (path.bytes + [UInt8(ascii: "\n")]).withUnsafeBytes { _ = StandardStream.output.write($0) } }
