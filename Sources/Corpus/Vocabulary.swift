import Files

/// Token ids and their strings. Id 0 is the most frequent token of the training split; ties are broken
/// by the strings' bytes. The ids of pieces are those of their tokenizer.
///
/// At word level there are always two special tokens, spelled `<unk>` (every word outside the vocabulary) and `<eos>`
/// (the end of a line); a word of the text with that spelling *is* the special token. At character and byte level
/// `<unk>` exists only when some text needed it. It cannot collide there: symbols are one character long. Pieces have
/// the tokens of their tokenizer; the two spellings mean the same as for words.
package struct Vocabulary: Sendable {
    package static let unknownToken = "<unk>"
    package static let endOfSentenceToken = "<eos>"

    package let level: TokenLevel
    /// Id of `<unk>`.
    package let unknown: Int?
    /// Id of `<eos>`; never at character and byte level.
    package let endOfSentence: Int?
    /// Occurrences of each id in the training split; `<unk>` counts everything that was left out.
    package internal(set) var occurrences: [Int]
    /// SHA-256 over the level's name and each token's length (8 bytes, little endian) and bytes, in id order: equal
    /// for vocabularies that encode in the same way.
    package let hash: String

    private let tokens: ByteStringTable
    /// Ids of bytes or characters; none at the other levels.
    private let direct: SymbolIds

    /// The number of ids, V.
    package var count: Int { tokens.count }

    /// - Parameters:
    ///   - tokens: byte strings by id, valid for the level.
    ///   - occurrences: as many counts.
    init(level: TokenLevel, tokens: ByteStringTable, occurrences: [Int]) {
        precondition(tokens.count == occurrences.count && tokens.count <= Int(Int32.max))
        self.level = level
        self.tokens = tokens
        self.occurrences = occurrences
        unknown = tokens.find(Vocabulary.unknownToken)
        endOfSentence = level.isSpaced ? tokens.find(Vocabulary.endOfSentenceToken) : nil

        let other = Int32(unknown ?? -1)
        var direct: [Int32] = []
        if !level.isSpaced {
            for id in 0..<tokens.count where id != unknown {
                let symbol = level == .byte ? Int(tokens[id].first!) : Int(Vocabulary.scalar(tokens[id]))
                if symbol >= direct.count {
                    direct.append(contentsOf: repeatElement(other, count: symbol + 1 - direct.count))
                }
                direct[symbol] = Int32(id)
            }
        }
        self.direct = SymbolIds(direct, beyond: other)

        let digest = Digest()
        digest.update(Array("\(level.rawValue)\n".utf8))
        for id in 0..<tokens.count {
            withUnsafeBytes(of: UInt64(tokens[id].count).littleEndian) { digest.update($0) }
            tokens[id].withUnsafeBytes { digest.update($0) }
        }
        hash = digest.hexadecimal()
    }

    /// The vocabulary of training text.
    /// - Parameters:
    ///   - reader: the reader that read it.
    ///   - training: how often each symbol of it occurs.
    ///   - limit: keep at most this many tokens, special ones included; at least `smallestSize(of:)`.
    ///   - needsUnknown: whether to have `<unk>` even if nothing is left out.
    init(_ reader: SymbolReader, counts training: SymbolCounts, limit: Int?, needsUnknown: Bool) {
        let level = reader.level
        var symbols = reader.words
        var counts: [Int] = []
        if level == .word {
            counts = symbols.indices.map { training[$0] }
        } else {
            for (symbol, count) in training.counts.enumerated() where count > 0 {
                _ = symbols.insert(reader.bytes(of: symbol))
                counts.append(count)
            }
        }
        let specials = level == .word ? 2 : 0  // the reader's first symbols
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

    /// The bytes of the token: a character in UTF-8, a byte, a word, `<unk>` or `<eos>`.
    package func bytes(of id: Int) -> ArraySlice<UInt8> { tokens[id] }

    /// The id of a word or piece; nil if the vocabulary lacks it, or has characters or bytes.
    package func id(of word: ArraySlice<UInt8>) -> Int? {
        level.isSpaced ? word.withUnsafeBufferPointer { tokens.find($0) } : nil
    }

    /// The ids of a whole text, exactly as `prepare` gives them for a file.
    /// - Parameters:
    ///   - completingLastLine: whether, with words and pieces, a last line without newline gets its `<eos>`; false for
    ///   a prompt to continue.
    ///   - policy: for what a vocabulary without `<unk>` lacks.
    /// - Throws: `TextError` with the byte offset.
    package func encode(
        _ text: [UInt8], completingLastLine: Bool = true, unknown policy: UnknownPolicy = .error
    ) throws -> [Int32] {
        try [Int32](unsafeUninitializedCapacity: text.count + 1) { ids, count in
            try text.withUnsafeBufferPointer { bytes in
                let piece = TextPiece(bytes: bytes, offset: 0, file: nil, isLast: true)
                count = try encode(piece, into: ids.baseAddress!, completingLastLine: completingLastLine, unknown: policy).produced
            }
        }
    }

    /// The content of a text file as `prepare` reads it: without a leading UTF-8 byte-order mark, except at byte level.
    package func text(ofFile bytes: [UInt8]) -> [UInt8] {
        level != .byte && bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
    }

    /// What stands after the last white space of a text: with words and pieces, what is still being written.
    package func unfinishedWord(of text: [UInt8]) -> ArraySlice<UInt8> {
        var start = text.count
        while start > 0 {
            if isWhiteSpace(text[start - 1]) { break }
            start -= 1
            // White space beyond ASCII is 2 or 3 bytes long.
            let length = text.withUnsafeBufferPointer { level == .word ? lengthOfWhiteSpace($0[start...]) : 0 }
            if length > 0 { return text[(start + length)...] }
        }
        return text[start...]
    }

    /// The text the ids stand for. Characters and bytes come back as they were; words and pieces are separated by one
    /// space, and `<eos>` is a newline.
    package func decode(_ ids: some Sequence<Int32>) -> [UInt8] {
        var text: [UInt8] = []
        for id in ids.lazy.map(Int.init) {
            if id == endOfSentence {
                text.append(newline)
            } else {
                if level.isSpaced, let last = text.last, last != newline { text.append(UInt8(ascii: " ")) }
                text.append(contentsOf: tokens[id])
            }
        }
        return text
    }

    /// The id of each symbol of a reader in this vocabulary.
    func ids(of reader: SymbolReader) -> SymbolIds {
        guard level == .word else { return direct }
        let other = Int32(unknown!)
        let ids = reader.words.indices.map { word in
            reader.words[word].withUnsafeBufferPointer { tokens.find($0) }.map(Int32.init) ?? other
        }
        return SymbolIds(ids, beyond: other)
    }

    /// What becomes of a character, byte or piece that a vocabulary without `<unk>` lacks.
    package enum UnknownPolicy: Sendable {
        /// It is an error.
        case error
        /// It becomes `missing`.
        case mark
    }

    /// In place of the id of what has none.
    package static let missing: Int32 = -1

    /// - Parameter ids: room for one id more than the piece has bytes.
    /// - Returns: the number of bytes consumed, all of them in the last piece, and of ids.
    /// - Throws: `TextError`.
    func encode(
        _ piece: TextPiece, into ids: UnsafeMutablePointer<Int32>, completingLastLine: Bool = true, unknown policy: UnknownPolicy = .error
    ) throws -> (consumed: Int, produced: Int) {
        var (consumed, produced) = (piece.bytes.count, 0)
        switch level {
        case .byte:
            piece.readBytes(into: ids)
            produced = piece.bytes.count
        case .character:
            (consumed, produced) = try piece.readCharacters(into: ids)
        case .word, .piece:
            consumed = try piece.scanWords(level, completingLastLine: completingLastLine) { word, index in
                if let id = tokens.find(word) {
                    ids[produced] = Int32(id)
                } else {
                    try piece.requireUTF8(word, at: index)
                    if unknown == nil, policy == .error {
                        let start = String(reflecting: String(decoding: word.prefix(40), as: UTF8.self))
                        throw TextError.notInVocabulary(symbol: start, file: piece.file, offset: piece.offset + index)
                    }
                    ids[produced] = unknown.map(Int32.init) ?? Vocabulary.missing
                }
                produced += 1
            } lineEnd: {
                guard let endOfSentence else { return }
                ids[produced] = Int32(endOfSentence)
                produced += 1
            }
            return (consumed, produced)
        }
        if let place = direct.translate(UnsafeMutableBufferPointer(start: ids, count: produced)), policy == .error {
            throw notInVocabulary(place, of: piece)
        }
        return (consumed, produced)
    }

    /// The error that names the byte or character at `place`, counted in symbols.
    private func notInVocabulary(_ place: Int, of piece: TextPiece) -> TextError {
        let starts = piece.bytes.indices.lazy.filter { self.level == .byte || piece.bytes[$0] & 0xC0 != 0x80 }
        let index = starts.dropFirst(place).first!
        let symbol: String
        if level == .byte {
            symbol = "byte 0x\(String(piece.bytes[index], radix: 16, uppercase: true))"
        } else {
            let scalar = Unicode.Scalar(Vocabulary.scalar(Array(piece.bytes[index...].prefix(4))[...]))!
            let digits = String(scalar.value, radix: 16, uppercase: true)
            let zeros = String(repeating: "0", count: max(0, 4 - digits.count))
            symbol = "\(String(reflecting: String(scalar))) (U+\(zeros)\(digits))"
        }
        return .notInVocabulary(symbol: symbol, file: piece.file, offset: piece.offset + index)
    }

    private static func scalar(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.withUnsafeBufferPointer {
            guard case .scalar(let scalar, _) = decodeUTF8($0) else { preconditionFailure("not a character") }
            return scalar
        }
    }
}

extension ByteStringTable {
    package func find(_ string: String) -> Int? { Array(string.utf8).withUnsafeBufferPointer { find($0) } }
}

extension Digest {
    func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }
}
