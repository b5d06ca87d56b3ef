import Files

extension Vocabulary {
    /// The id of the token that is spelled like this; nil if there is none.
    package func id(spelled token: String) -> Int? {
        (0..<count).first { bytes(of: $0).elementsEqual(token.utf8) }
    }

    /// The tokens as OpenFst, Kaldi and icefall list them in `tokens.txt` or `words.txt`: a line for each id, with the token,
    /// a space and the id.
    ///
    /// Bytes that such a line cannot hold (white space, control characters, parts of no UTF-8 character) are spelled as
    /// SentencePiece spells a byte: `<0x0A>` is a newline.
    package func symbolTable() -> String {
        var table = ""
        for id in 0..<count { table += "\(symbol(id)) \(id)\n" }
        return table
    }

    /// A token as such a line has it.
    package func symbol(_ id: Int) -> String {
        let bytes = bytes(of: id)
        let isPlain = { (scalar: Unicode.Scalar) in
            !scalar.properties.isWhitespace && ![.control, .format, .surrogate].contains(scalar.properties.generalCategory)
        }
        if let text = String(validating: bytes, as: UTF8.self), level.isSpaced || text.unicodeScalars.allSatisfy(isPlain) { return text }
        return bytes.map { byte in
            let digits = String(byte, radix: 16, uppercase: true)
            return "<0x\(digits.count == 1 ? "0" : "")\(digits)>"
        }.joined()
    }
}
