import Files

/// The source of a dataset's text, or of its ready-made tokens.
package enum TextSource: Sendable, Equatable {
    /// Files one after the other, cut into three parts: percentages of the bytes for train, valid and test, each cut moved forward
    /// to the next start of a character (at word level, of a line).
    case divided(files: [String], percentages: SplitPercentages)
    /// One file for each part.
    case separate(train: String, valid: String, test: String?)
}

/// Three whole percentages that add up to 100, the first above 0.
package struct SplitPercentages: Sendable, Equatable {
    package let train, valid, test: Int

    /// nil unless the percentages are valid.
    package init?(train: Int, valid: Int, test: Int) {
        let each = 0...100
        guard each ~= train, each ~= valid, each ~= test, train > 0, train + valid + test == 100 else { return nil }
        (self.train, self.valid, self.test) = (train, valid, test)
    }

    package static let standard = SplitPercentages(train: 80, valid: 10, test: 10)!
}

extension TextSource {
    /// Opens the inputs and cuts them.
    /// - Parameters:
    ///   - isReadOnce: whether the parts are read from first to last, each once. Files are then cut only where they must be.
    ///   - keepsParagraphs: whether cuts move on to the next blank line.
    ///   - folder: for copies of what cannot be read twice.
    /// - Returns: the inputs in the order typed, and the regions of each split there is.
    /// - Throws: `FileError`, `NotText`, `CompressedText`, `GzipError`, `PrepareError`.
    func open(
        level: TokenLevel, isReadOnce: Bool, keepsParagraphs: Bool = false, folder: String
    ) throws -> (inputs: [InputFile], regions: [(split: Split, regions: [TextRegion])]) {
        switch self {
        case .separate(let train, let valid, let test):
            let files = [(Split.train, train), (.valid, valid)] + (test.map { [(Split.test, $0)] } ?? [])
            let inputs = try files.map {
                try InputFile($0.1, level: level, reading: isReadOnce ? .once : .again(folder: folder))
            }
            return (inputs, zip(files, inputs).map { ($0.0, [TextRegion($1)]) })
        case .divided(let paths, let percentages):
            let isWhole = percentages.train == 100
            let inputs = try paths.map {
                try InputFile($0, level: level, reading: isReadOnce && isWhole ? .once : .again(folder: folder))
            }
            if isWhole { return (inputs, [(.train, inputs.map { TextRegion($0) })]) }
            let total = inputs.reduce(0) { $0 + $1.text.count }
            var regions: [(split: Split, regions: [TextRegion])] = []
            var percent = 0
            for (split, share) in zip(Split.allCases, [percentages.train, percentages.valid, percentages.test]) {
                guard share > 0 else { continue }
                let range = TextSource.part(percent, of: total)..<TextSource.part(percent + share, of: total)
                regions.append((split, try TextSource.regions(range, of: inputs) {
                    keepsParagraphs ? try $0.paragraph(atOrAfter: $1) : try $0.boundary(atOrAfter: $1, level: level)
                }))
                percent += share
            }
            return (inputs, regions)
        }
    }

    static func part(_ percent: Int, of total: Int) -> Int {
        total / 100 * percent + total % 100 * percent / 100  // total * percent / 100, no overflow
    }

    /// - Parameter range: a range of the concatenated texts.
    /// - Parameter boundary: where a cut at a position of a text moves to.
    private static func regions(
        _ range: Range<Int>, of inputs: [InputFile], _ boundary: (InputFile, Int) throws -> Int
    ) throws -> [TextRegion] {
        var regions: [TextRegion] = []
        var before = 0
        for input in inputs {
            let length = input.text.count
            let lower = try boundary(input, min(max(range.lowerBound - before, 0), length))
            let upper = try boundary(input, min(max(range.upperBound - before, 0), length))
            if lower < upper { regions.append(TextRegion(input: input, range: lower..<upper)) }
            before += length
        }
        return regions
    }
}

extension InputFile {
    /// Bytes after a cut in which a line must end for the cut to move there.
    private static let longestWayToLineEnd = 1 << 20

    /// Where a cut at `position` of the text moves to: the next start of a character; at word level of a line, or, where
    /// lines are so long that none comes soon or none follows at all, of a word. The end of the file when there is none.
    fileprivate func boundary(atOrAfter position: Int, level: TokenLevel) throws -> Int {
        let offset = start + position
        if position == 0 || level == .byte || offset == text.upperBound { return offset }
        guard level.isSpaced else { return try first(from: offset) { $0 & 0xC0 != 0x80 } ?? text.upperBound }
        // A line or word may start right at the cut.
        let isNear = offset - 1..<min(offset + InputFile.longestWayToLineEnd, text.upperBound - 1)
        let end = try first(from: offset - 1, to: isNear.upperBound) { $0 == newline }
        return try (end ?? first(from: offset - 1, where: isWhiteSpace)).map { $0 + 1 } ?? text.upperBound
    }

    /// Where a cut at `position` moves to so that no paragraph is cut: after the next blank line. The end of the file when there is
    /// none.
    fileprivate func paragraph(atOrAfter position: Int) throws -> Int {
        if position == 0 { return start }
        // Since the last newline, there was nothing but white space.
        var isBlank = false
        return try first(from: start + max(0, position - 2)) { byte in
            defer { isBlank = byte == newline || isBlank && isWhiteSpace(byte) }
            return byte == newline && isBlank
        }.map { $0 + 1 } ?? text.upperBound
    }

    /// The place of the first such byte.
    private func first(from offset: Int, to end: Int = .max, where isWanted: (UInt8) -> Bool) throws -> Int? {
        try seek(to: offset)
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var offset = offset
        while offset < end {
            let count = try buffer.withUnsafeMutableBytes { try read(into: $0) }
            if count == 0 { return nil }
            if let index = buffer[..<min(count, end - offset)].firstIndex(where: isWanted) { return offset + index }
            offset += count
        }
        return nil
    }
}
