/// A parser under test: valid files to damage, and the way a damaged one is read.
struct Parser {
    let name: String
    let originals: [[UInt8]]
    let words: [[UInt8]]
    /// The path of the damaged file.
    let path: String
    /// Last touches to a damaged file, such as a checksum that is right again.
    var finish: (_ bytes: [UInt8], _ number: Int) -> [UInt8] = { bytes, _ in bytes }
    /// Reads the file, and uses what was read as the program does.
    let read: () throws -> Void

    init(
        _ name: String, _ originals: [[UInt8]], words: [String], at path: String, read: @escaping () throws -> Void
    ) {
        self.name = name
        self.originals = originals
        self.words = words.map { Array($0.utf8) }
        self.path = path
        self.read = read
    }

    /// A check for any JSON.
    static let json = [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "null", "true", "false", "{}", "[]", "\"\"", "-", ".", "e", "\\u0000", "\\ud800",
        "\\udc00\\ud800", "\\u001b", "\u{0}", "\u{FEFF}", "/*", "[[[[", "{\"a\":", "\u{202E}",
    ]
}
