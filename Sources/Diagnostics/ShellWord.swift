extension String {
    /// Quoted where a shell would otherwise take it for something else, so that a command can be copied and pasted. What
    /// cannot be seen is escaped, as Bash and Zsh (and POSIX since 2024) read it: `$'a\nb'`.
    package var shellWord: String {
        let harmless = utf8.allSatisfy { byte in
            let character = Character(Unicode.Scalar(byte))
            return byte < 0x80 && (character.isLetter || character.isNumber || "_./=:@%+,-".contains(character))
        }
        if harmless, !isEmpty { return self }
        guard hasEscapes || unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
            return singleQuoted
        }
        let escaped = unicodeScalars.map { scalar in
            switch scalar {
            case "\n": "\\n"
            case "\t": "\\t"
            case "\\", "'": "\\\(scalar)"
            // Three octal digits, which no digit that follows can change.
            case _ where scalar.properties.generalCategory == .control:
                String(scalar).utf8.map { "\\" + String(Int($0) + 512, radix: 8).dropFirst() }.joined()
            default: scalar.byte.map { "\\" + String($0, radix: 8) } ?? String(scalar)
            }
        }
        return "$'\(escaped.joined())'"
    }

    /// As any shell reads it, whatever its characters: within single quotes, nothing is more than itself.
    package var singleQuoted: String { "'\(replacing("'", with: "'\\''"))'" }
}
