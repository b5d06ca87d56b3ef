/// How often each symbol of a text occurs. Characters and bytes are counted by their number, words by hashing.
struct SymbolCounter {
    let level: TokenLevel
    /// By byte value or by Unicode scalar value, as far as any occurred; empty at word level.
    private var direct: [Int] = []
    private var words = ByteStringTable()
    private var wordCounts: [Int] = []

    init(level: TokenLevel) {
        self.level = level
        if level == .word {
            for special in [Vocabulary.unknownToken, Vocabulary.endOfSentenceToken] {
                _ = words.insert(special.utf8)
                wordCounts.append(0)
            }
        }
    }

    /// - Returns: the number of bytes consumed.
    /// - Throws: `TextError`.
    mutating func count(_ piece: TextPiece) throws -> Int {
        switch level {
        case .byte:
            for byte in piece.bytes { add(Int(byte)) }
            return piece.bytes.count
        case .character:
            return try piece.scanCharacters { scalar, _ in add(Int(scalar)) }
        case .word:
            return try piece.scanWords { word, index in
                let (number, isNew) = words.insert(word)
                if isNew {
                    try piece.requireUTF8(word, at: index)
                    wordCounts.append(1)
                } else {
                    wordCounts[number] += 1
                }
            } lineEnd: {
                wordCounts[1] += 1
            }
        }
    }

    @inline(__always)
    private mutating func add(_ symbol: Int) {
        if symbol >= direct.count { direct.append(contentsOf: repeatElement(0, count: symbol + 1 - direct.count)) }
        direct[symbol] += 1
    }

    /// Whether some byte or character counted here does not occur in `other`.
    func hasSymbols(missingIn other: SymbolCounter) -> Bool {
        direct.indices.contains { direct[$0] > 0 && (!other.direct.indices.contains($0) || other.direct[$0] == 0) }
    }

    /// Every symbol that occurs, and at word level the special tokens too, in no particular order.
    func finish() -> (symbols: ByteStringTable, counts: [Int]) {
        if level == .word { return (words, wordCounts) }
        var symbols = ByteStringTable()
        var counts: [Int] = []
        for (number, count) in direct.enumerated() where count > 0 {
            if level == .byte {
                _ = symbols.insert(CollectionOfOne(UInt8(number)))
            } else {
                _ = symbols.insert(UTF8.encode(Unicode.Scalar(UInt32(number))!)!)
            }
            counts.append(count)
        }
        return (symbols, counts)
    }
}
