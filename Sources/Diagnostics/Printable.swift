extension String {
    /// Fit for a line of a message: text from a stranger's file can be of any length and steer a terminal.
    public var printable: String { printable(limit: 100) }

    /// - Parameter limit: characters (scalars) kept.
    func printable(limit: Int) -> String {
        var result = ""
        for scalar in unicodeScalars.prefix(limit) {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: result += scalar.escaped(asASCII: true)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return unicodeScalars.dropFirst(limit).isEmpty ? result : result + "..."
    }
}
