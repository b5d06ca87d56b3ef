extension String {
    /// Quoted where a shell would otherwise take it for something else, so that a command can be copied and pasted.
    var shellWord: String {
        let harmless = utf8.allSatisfy { byte in
            let character = Character(Unicode.Scalar(byte))
            return byte < 0x80 && (character.isLetter || character.isNumber || "_./=:@%+,-".contains(character))
        }
        return harmless && !isEmpty ? self : "'\(replacing("'", with: "'\\''"))'"
    }
}
