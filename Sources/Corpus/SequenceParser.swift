import Diagnostics
import Glibc

/// Reads sequences and their targets from the lines of a text. Words and labels get numbers in the order of appearance.
struct SequenceParser {
    let format: SequenceFormat
    private(set) var reader: SymbolReader
    private(set) var labels = ByteStringTable()
    /// Of each label in the training part.
    private(set) var labelCounts: [Int] = []
    /// Whether labels must be known.
    private let hasFixedLabels: Bool

    private var symbols: [Int32] = []
    private var targets: [Int32] = []
    /// Columns of every line of a file.
    private var columns: Int?
    /// Lines read of each file.
    private var lines: [String: Int] = [:]

    /// Tokens of a sequence, at most: the length of the longest chunk, too.
    static let longestSequence = 65_536
    /// Bytes of a line, at most.
    static let longestLine = 1 << 24
    private static let documentStart = Array("-DOCSTART-".utf8)

    /// - Parameters:
    ///   - reader: knows the words of a vocabulary that is there already.
    ///   - labels: the only ones there may be; nil to learn them.
    init(_ format: SequenceFormat, _ reader: SymbolReader, labels fixed: Labels?) {
        self.format = format
        self.reader = reader
        hasFixedLabels = fixed != nil
        for name in fixed?.names ?? [] {
            _ = labels.insert(name.utf8)
            labelCounts.append(0)
        }
    }

    /// Reads the part of a file that belongs to a split.
    /// - Parameters:
    ///   - learning: whether new words get numbers; otherwise they are unknown.
    ///   - counting: whether labels are counted.
    /// - Throws: `FileError`, `GzipError`, `TextError`, `UnreadableExample`.
    mutating func read(_ region: TextRegion, learning: Bool, counting: Bool, bufferSize: Int, into spool: SequenceSpool) throws {
        let file = region.input.path
        columns = nil
        var number = lines[file] ?? 0
        try region.forEachPiece(bufferSize: bufferSize) { piece in
            var start = 0
            func take(_ end: Int) throws {
                number += 1
                try read(start..<end, of: piece, number, learning, counting, spool)
                start = min(end + 1, piece.bytes.count)
            }
            while let end = piece.lineEnd(from: start) { try take(end) }
            if piece.isLast, start < piece.bytes.count { try take(piece.bytes.count) }
            guard piece.bytes.count - start <= SequenceParser.longestLine else {
                throw UnreadableExample(
                    file: file, line: number + 1, problem: "a line longer than \(SequenceParser.longestLine) bytes", expected: nil,
                    remedy: "break the text into lines")
            }
            return start
        }
        try finish(spool)
        lines[file] = number
    }

    /// - Parameter range: of a line in the piece, without its newline.
    private mutating func read(
        _ range: Range<Int>, of piece: TextPiece, _ number: Int, _ learning: Bool, _ counting: Bool, _ spool: SequenceSpool
    ) throws {
        var range = range
        if !range.isEmpty, piece.bytes[range.upperBound - 1] == UInt8(ascii: "\r") { range = range.lowerBound..<range.upperBound - 1 }
        func unreadable(_ problem: String, _ expected: String?, _ remedy: String) -> UnreadableExample {
            UnreadableExample(file: piece.file ?? "", line: number, problem: problem, expected: expected, remedy: remedy)
        }
        let isBlank = piece.bytes[range].allSatisfy(isWhiteSpace)
        if format == .columns {
            if isBlank { return try finish(spool) }
            let fields = piece.fields(range)
            if piece.bytes[fields[0]].elementsEqual(SequenceParser.documentStart) { return try finish(spool) }
            guard fields.count >= 2, columns ?? fields.count == fields.count else {
                throw unreadable(
                    fields.count < 2 ? "a line without a tag" : "\(fields.count) columns, where the lines before have \(columns!)",
                    "a word, and its tag in the last column; a blank line between sentences",
                    "give each line the same columns, with spaces or tabs between them")
            }
            columns = fields.count
            let word = UnsafeBufferPointer(rebasing: piece.bytes[fields[0]])
            guard word.count <= longestWord else { throw TextError.wordTooLong(file: piece.file, offset: piece.offset + fields[0].lowerBound) }
            symbols.append(Int32(truncatingIfNeeded: try reader.number(of: word, in: piece, at: fields[0].lowerBound, learning: learning)))
            targets.append(try label(fields.last!, of: piece, counting, unreadable))
            guard symbols.count <= SequenceParser.longestSequence else {
                throw unreadable(
                    "a sentence of more than \(SequenceParser.longestSequence) words", "blank lines between sentences",
                    "put a blank line after each sentence")
            }
            return
        }
        if isBlank { return }
        guard let tab = piece.bytes[range].firstIndex(of: tabulator) else {
            throw unreadable(
                "a line without a tab", format == .labelled ? "a label, a tab and a text" : "a condition, a tab and its continuation",
                "put a tab between the two")
        }
        let (first, second) = (range.lowerBound..<tab, tab + 1..<range.upperBound)
        if format == .labelled {
            let target = try label(piece.trimmed(first), of: piece, counting, unreadable)
            try append(second, of: piece, learning)
            guard !symbols.isEmpty else { throw unreadable("a label without a text", "a label, a tab and a text", "give it a text, or leave the line out") }
            targets = Array(repeating: -1, count: symbols.count - 1) + [target]
        } else {
            try append(first, of: piece, learning)
            let condition = symbols.count
            symbols.append(reader.lineEnd)
            try append(second, of: piece, learning)
            guard symbols.count > condition + 1 else {
                throw unreadable("a condition without a continuation", "a condition, a tab and its continuation", "give it one, or leave the line out")
            }
            targets = Array(repeating: -1, count: condition) + symbols[(condition + 1)...] + [reader.lineEnd]
        }
        guard symbols.count <= SequenceParser.longestSequence else {
            throw unreadable(
                "a line of more than \(SequenceParser.longestSequence) tokens", nil, "cut the text into shorter ones, or choose --level word")
        }
        try finish(spool)
    }

    private mutating func finish(_ spool: SequenceSpool) throws {
        if symbols.isEmpty { return }
        try spool.append(symbols, targets: targets)
        symbols.removeAll(keepingCapacity: true)
        targets.removeAll(keepingCapacity: true)
    }

    private mutating func label(
        _ range: Range<Int>, of piece: TextPiece, _ counting: Bool, _ unreadable: (String, String?, String) -> UnreadableExample
    ) throws -> Int32 {
        let name = UnsafeBufferPointer(rebasing: piece.bytes[range])
        let number: Int
        if let known = labels.find(name) {
            number = known
        } else {
            guard Labels.isLabel(name) else {
                throw unreadable("no label, or one that cannot be", "UTF-8 of 1 to \(Labels.longest) bytes", "give every example a label")
            }
            let shown = String(decoding: name, as: UTF8.self).printable
            guard !hasFixedLabels else {
                throw unreadable("the label \(shown), which the labels of --vocabulary lack", nil, "prepare the data without --vocabulary, and train on it")
            }
            guard labels.count < Labels.most else {
                throw unreadable("more than \(Labels.most) different labels", nil, "check that the labels are where the format expects them")
            }
            number = labels.insert(name).number
            labelCounts.append(0)
        }
        if counting { labelCounts[number] += 1 }
        return Int32(number)
    }

    /// Adds the symbols of a text within a line.
    private mutating func append(_ range: Range<Int>, of piece: TextPiece, _ learning: Bool) throws {
        if range.isEmpty { return }
        let text = TextPiece(
            bytes: UnsafeBufferPointer(rebasing: piece.bytes[range]), offset: piece.offset + range.lowerBound, file: piece.file, isLast: true)
        let before = symbols.count
        symbols.append(contentsOf: repeatElement(0, count: range.count + 1))
        let (_, produced) = try symbols.withUnsafeMutableBufferPointer {
            try reader.read(text, learning: learning, into: $0.baseAddress! + before)
        }
        // Words end with the end of a line, which this is not.
        symbols.removeLast(range.count + 1 - produced + (reader.level == .word ? 1 : 0))
    }

    /// The labels by id, and the id of each number.
    var sortedLabels: (labels: Labels, ids: [Int32]) {
        var order = Array(labels.indices)
        if !hasFixedLabels {
            order.sort { labelCounts[$0] != labelCounts[$1] ? labelCounts[$0] > labelCounts[$1] : labels.precedes($0, $1) }
        }
        var ids = [Int32](repeating: 0, count: order.count)
        for (id, number) in order.enumerated() { ids[number] = Int32(id) }
        return (Labels(order.map { String(decoding: labels[$0], as: UTF8.self) }, counts: order.map { labelCounts[$0] }), ids)
    }
}

extension TextPiece {
    /// The place of the next newline.
    fileprivate func lineEnd(from start: Int) -> Int? {
        guard let base = bytes.baseAddress, start < bytes.count else { return nil }
        return memchr(base + start, Int32(newline), bytes.count - start).map { UnsafeRawPointer($0) - UnsafeRawPointer(base) }
    }

    /// The stretches of a range between ASCII white space.
    fileprivate func fields(_ range: Range<Int>) -> [Range<Int>] {
        var fields: [Range<Int>] = []
        var start: Int?
        for index in range {
            if isWhiteSpace(bytes[index]) {
                if let first = start { fields.append(first..<index) }
                start = nil
            } else if start == nil {
                start = index
            }
        }
        if let start { fields.append(start..<range.upperBound) }
        return fields
    }

    /// Without spaces at both ends.
    fileprivate func trimmed(_ range: Range<Int>) -> Range<Int> {
        var range = range
        while let last = bytes[range].last, isWhiteSpace(last) { range.removeLast() }
        while let first = bytes[range].first, isWhiteSpace(first) { range.removeFirst() }
        return range
    }
}

extension Range where Bound == Int {
    fileprivate mutating func removeFirst() { self = lowerBound + 1..<upperBound }
    fileprivate mutating func removeLast() { self = lowerBound..<upperBound - 1 }
}

/// A line that is not of the format that `--format` names.
package struct UnreadableExample: DiagnosedError, Equatable {
    package let file: String
    /// From 1.
    package let line: Int
    let problem: String
    let expected: String?
    let remedy: String

    package var kind: FailureKind { .data }
    package var diagnosis: Diagnosis {
        Diagnosis(problem, file: file, location: "line \(line)", expected: expected, remedy: remedy)
    }
}
