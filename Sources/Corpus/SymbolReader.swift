/// Turns text into symbols, the numbers of its parts before they have ids: a byte's value, a character's
/// Unicode scalar value, a word's place in the order of appearance after `<unk>` (0) and `<eos>` (1).
struct SymbolReader {
    let level: TokenLevel
    /// The words learned, by number; empty at the other levels.
    private(set) var words = ByteStringTable()

    static let (unknown, endOfSentence) = (Int32(0), Int32(1))

    /// - Parameter level: not pieces, which another program makes.
    init(level: TokenLevel) {
        precondition(level != .piece)
        self.level = level
        if level == .word {
            for special in [Vocabulary.unknownToken, Vocabulary.endOfSentenceToken] { _ = words.insert(special.utf8) }
        }
    }

    /// - Parameters:
    ///   - learning: whether to number new words; otherwise they are `<unk>`.
    ///   - symbols: room for one more than the piece has bytes.
    /// - Throws: `TextError`.
    mutating func read(
        _ piece: TextPiece, learning: Bool, into symbols: UnsafeMutablePointer<Int32>
    ) throws -> (consumed: Int, produced: Int) {
        switch level {
        case .byte:
            piece.readBytes(into: symbols)
            return (piece.bytes.count, piece.bytes.count)
        case .character:
            return try piece.readCharacters(into: symbols)
        case .word:
            var produced = 0
            let consumed = try piece.scanWords(level) { word, index in
                symbols[produced] = Int32(truncatingIfNeeded: try number(of: word, in: piece, at: index, learning: learning))
                produced += 1
            } lineEnd: {
                symbols[produced] = SymbolReader.endOfSentence
                produced += 1
            }
            return (consumed, produced)
        case .piece: preconditionFailure()
        }
    }

    /// The number of a word that starts at `index` of a piece.
    /// - Throws: `TextError.invalidUTF8`.
    @inline(__always)
    mutating func number(of word: UnsafeBufferPointer<UInt8>, in piece: TextPiece, at index: Int, learning: Bool) throws -> Int {
        if let known = words.find(word) { return known }
        try piece.requireUTF8(word, at: index)
        return learning ? words.insert(word).number : Int(SymbolReader.unknown)
    }

    /// The symbol of a line's end.
    var lineEnd: Int32 { level == .word ? SymbolReader.endOfSentence : Int32(newline) }

    /// Knows the words of a vocabulary.
    init(knowing vocabulary: Vocabulary) {
        self.init(level: vocabulary.level)
        guard level == .word else { return }
        for id in 0..<vocabulary.count { _ = words.insert(vocabulary.bytes(of: id)) }
    }

    /// The bytes that a symbol stands for.
    func bytes(of symbol: Int) -> [UInt8] {
        switch level {
        case .byte: [UInt8(symbol)]
        case .character: Array(UTF8.encode(Unicode.Scalar(UInt32(symbol))!)!)
        case .word, .piece: Array(words[symbol])
        }
    }
}

/// How often each symbol occurs.
struct SymbolCounts {
    /// Counts by symbol, up to the largest that occurred.
    private(set) var counts: [Int] = []

    mutating func add(_ symbols: UnsafeBufferPointer<Int32>) {
        var largest: Int32 = -1
        for symbol in symbols { largest = max(largest, symbol) }
        if largest >= counts.count {
            counts.append(contentsOf: repeatElement(0, count: Int(largest) + 1 - counts.count))
        }
        counts.withUnsafeMutableBufferPointer { counts in
            for symbol in symbols { counts[Int(symbol)] &+= 1 }
        }
    }

    var total: Int { counts.reduce(0, +) }

    subscript(_ symbol: Int) -> Int { counts.indices.contains(symbol) ? counts[symbol] : 0 }

    /// Whether some symbol counted here does not occur in `other`.
    func hasSymbols(missingIn other: SymbolCounts) -> Bool {
        counts.indices.contains { counts[$0] > 0 && other[$0] == 0 }
    }
}

/// The id of each symbol under a vocabulary.
struct SymbolIds {
    /// Ids by symbol; -1 if there is none. The last entry holds for all larger symbols.
    private let ids: [Int32]

    init(_ ids: [Int32], beyond: Int32) { self.ids = ids + [beyond] }

    /// Replaces symbols, none of them negative, by their ids.
    /// - Returns: the index of the first symbol without an id; nil if all have one.
    func translate(_ symbols: UnsafeMutableBufferPointer<Int32>) -> Int? {
        var lowest: Int32 = 0
        ids.withUnsafeBufferPointer { ids in
            let last = Int32(ids.count - 1)
            for index in symbols.indices {
                let id = ids[Int(min(symbols[index], last))]
                symbols[index] = id
                lowest = min(lowest, id)
            }
        }
        return lowest < 0 ? symbols.firstIndex { $0 < 0 } : nil
    }
}
