import Files

/// Token ids and the strings they stand for. Id 0 is the most frequent token of the training split; ties are broken
/// by the strings' bytes.
///
/// At word level there are always two special tokens, spelled `<unk>` (every word outside the vocabulary) and `<eos>`
/// (the end of a line); a word of the text with that spelling *is* the special token. At character and byte level
/// `<unk>` exists only when some text needed it. It cannot collide there: symbols are one character long.
public struct Vocabulary: Sendable {
    public static let unknownToken = "<unk>"
    public static let endOfSentenceToken = "<eos>"

    public let level: TokenLevel
    /// Id of `<unk>`.
    public let unknown: Int?
    /// Id of `<eos>`; word level only.
    public let endOfSentence: Int?
    /// Occurrences of each id in the training split, `<unk>` standing for what was cut off.
    public let occurrences: [Int]
    /// SHA-256 over the level's name and each token's length (8 bytes, little endian) and bytes, in id order: equal
    /// for vocabularies that encode alike.
    public let hash: String

    private let tokens: ByteStringTable
    /// Id by byte value or Unicode scalar value, -1 where there is none; empty at word level.
    private let direct: [Int32]

    /// The number of ids, V.
    public var count: Int { tokens.count }

    /// - Parameters:
    ///   - tokens: byte strings by id, valid for the level.
    ///   - occurrences: as many counts.
    init(level: TokenLevel, tokens: ByteStringTable, occurrences: [Int]) {
        precondition(tokens.count == occurrences.count && tokens.count <= Int(Int32.max))
        self.level = level
        self.tokens = tokens
        self.occurrences = occurrences
        unknown = tokens.find(Vocabulary.unknownToken)
        endOfSentence = level == .word ? tokens.find(Vocabulary.endOfSentenceToken) : nil

        var direct: [Int32] = []
        if level != .word {
            for id in 0..<tokens.count where id != unknown {
                let symbol = level == .byte ? Int(tokens[id].first!) : Int(Vocabulary.scalar(tokens[id]))
                if symbol >= direct.count {
                    direct.append(contentsOf: repeatElement(-1, count: symbol + 1 - direct.count))
                }
                direct[symbol] = Int32(id)
            }
        }
        self.direct = direct

        let digest = Digest()
        digest.update(Array("\(level.rawValue)\n".utf8))
        for id in 0..<tokens.count {
            withUnsafeBytes(of: UInt64(tokens[id].count).littleEndian) { digest.update($0) }
            tokens[id].withUnsafeBytes { digest.update($0) }
        }
        hash = digest.hexadecimal()
    }

    /// The vocabulary of counted training text.
    /// - Parameters:
    ///   - limit: keep at most this many tokens, special ones included; at least `smallestSize(of:)`.
    ///   - needsUnknown: whether to have `<unk>` even when nothing is cut off.
    init(_ counter: consuming SymbolCounter, limit: Int?, needsUnknown: Bool) {
        let level = counter.level
        var (symbols, counts) = counter.finish()
        let specials = level == .word ? 2 : 0  // the counter's first symbols
        var kept = Array(specials..<symbols.count)
        let byFrequency = { (a: Int, b: Int) in
            counts[a] != counts[b] ? counts[a] > counts[b] : symbols.precedes(a, b)
        }
        kept.sort(by: byFrequency)

        let needsUnknown = level == .word || needsUnknown || kept.count > limit ?? .max
        if level != .word, needsUnknown {
            _ = symbols.insert(Vocabulary.unknownToken.utf8)
            counts.append(0)
        }
        let special = level == .word ? [0, 1] : needsUnknown ? [symbols.count - 1] : []
        if let limit, kept.count + special.count > limit {
            counts[special[0]] += kept[(limit - special.count)...].reduce(0) { $0 + counts[$1] }
            kept.removeLast(kept.count + special.count - limit)
        }
        kept.append(contentsOf: special)
        kept.sort(by: byFrequency)

        var tokens = ByteStringTable()
        for symbol in kept { _ = tokens.insert(symbols[symbol]) }
        self.init(level: level, tokens: tokens, occurrences: kept.map { counts[$0] })
    }

    /// The special tokens and one more.
    static func smallestSize(of level: TokenLevel) -> Int { level == .word ? 3 : 2 }

    /// The token's own bytes: a character in UTF-8, a byte, a word, `<unk>` or `<eos>`.
    public func bytes(of id: Int) -> ArraySlice<UInt8> { tokens[id] }

    /// The ids of a whole text, exactly as `prepare` gives them for a file.
    /// - Parameter completingLastLine: whether, at word level, a last line without newline gets its `<eos>`; false for
    ///   a prompt that is to be continued.
    /// - Throws: `TextError` with the byte offset.
    public func encode(_ text: [UInt8], completingLastLine: Bool = true) throws -> [Int32] {
        try [Int32](unsafeUninitializedCapacity: text.count + 1) { ids, count in
            try text.withUnsafeBufferPointer { bytes in
                let piece = TextPiece(bytes: bytes, offset: 0, file: nil, isLast: true)
                count = try encode(piece, into: ids.baseAddress!, completingLastLine: completingLastLine).produced
            }
        }
    }

    /// The content of a text file as `prepare` reads it: without a leading UTF-8 byte-order mark, except at byte level.
    public func text(ofFile bytes: [UInt8]) -> [UInt8] {
        level != .byte && bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
    }

    /// The text the ids stand for. Characters and bytes come back as they were; words are separated by one space, and
    /// `<eos>` is a newline.
    public func decode(_ ids: some Sequence<Int32>) -> [UInt8] {
        var text: [UInt8] = []
        for id in ids.lazy.map(Int.init) {
            if id == endOfSentence {
                text.append(newline)
            } else {
                if level == .word, let last = text.last, last != newline { text.append(UInt8(ascii: " ")) }
                text.append(contentsOf: tokens[id])
            }
        }
        return text
    }

    /// - Parameter ids: room for one id more than the piece has bytes.
    func encode(
        _ piece: TextPiece, into ids: UnsafeMutablePointer<Int32>, completingLastLine: Bool = true
    ) throws -> (consumed: Int, produced: Int) {
        var produced = 0
        let consumed = try direct.withUnsafeBufferPointer { direct in
            switch level {
            case .byte:
                for (index, byte) in piece.bytes.enumerated() {
                    var id = Int(byte) < direct.count ? direct[Int(byte)] : -1
                    if id < 0 { id = try substitute(for: UInt32(byte), in: piece, at: index) }
                    ids[produced] = id
                    produced += 1
                }
                return piece.bytes.count
            case .character:
                return try piece.scanCharacters { scalar, index in
                    var id = Int(scalar) < direct.count ? direct[Int(scalar)] : -1
                    if id < 0 { id = try substitute(for: scalar, in: piece, at: index) }
                    ids[produced] = id
                    produced += 1
                }
            case .word:
                let (unknown, endOfSentence) = (Int32(unknown!), Int32(endOfSentence!))
                return try piece.scanWords(completingLastLine: completingLastLine) { word, index in
                    if let id = tokens.find(word) {
                        ids[produced] = Int32(id)
                    } else {
                        try piece.requireUTF8(word, at: index)
                        ids[produced] = unknown
                    }
                    produced += 1
                } lineEnd: {
                    ids[produced] = endOfSentence
                    produced += 1
                }
            }
        }
        return (consumed, produced)
    }

    /// `<unk>`, or an error that names the symbol.
    @inline(never)
    private func substitute(for symbol: UInt32, in piece: TextPiece, at index: Int) throws -> Int32 {
        if let unknown { return Int32(unknown) }
        let digits = String(symbol, radix: 16, uppercase: true)
        let name =
            level == .byte
            ? "byte 0x\(digits)"
            : "\(String(reflecting: String(Unicode.Scalar(symbol)!))) (U+\(String(repeating: "0", count: max(0, 4 - digits.count)))\(digits))"
        throw TextError.notInVocabulary(symbol: name, file: piece.file, offset: piece.offset + index)
    }

    private static func scalar(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.withUnsafeBufferPointer {
            guard case .scalar(let scalar, _) = decodeUTF8($0) else { preconditionFailure("not a character") }
            return scalar
        }
    }
}

extension ByteStringTable {
    func find(_ string: String) -> Int? { Array(string.utf8).withUnsafeBufferPointer { find($0) } }
}

extension Digest {
    func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }
}
