extension String {
    /// Text that is safe in a line of a message: text from a stranger's file can be of any length and control a terminal.
    package var printable: String { printable(limit: 100) }

    /// A path for a line of output: whole, but for what would break the line or steer the terminal.
    package var printablePath: String { printable(limit: 4096) }

    /// Text of any length and any number of lines, its bytes that are not UTF-8 as in `caf\xE9`.
    package var legible: String {
        guard hasEscapes else { return self }
        return unicodeScalars.map { $0.byte.map { "\\x" + String($0, radix: 16, uppercase: true) } ?? String($0) }.joined()
    }

    /// - Parameter limit: the maximum number of characters (scalars) shown.
    func printable(limit: Int) -> String {
        var result = ""
        var room = limit
        for scalar in unicodeScalars {
            let shown =
                switch scalar.properties.generalCategory {
                case .control, .format, .lineSeparator, .paragraphSeparator: scalar.escaped(asASCII: true)
                case .privateUse: String(scalar).legible
                default: String(scalar)
                }
            room -= shown.unicodeScalars.count
            if room < 0 { return result + "..." }
            result += shown
        }
        return result
    }
}
