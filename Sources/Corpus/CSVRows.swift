import Diagnostics
import Files

/// The rows of a CSV file, in their order.
package final class CSVRows {
    private let lines: LineReader
    private let path: String
    /// Of the row that `next` has returned, from 1.
    private(set) var line = 0
    /// Of the first row.
    private(set) var columns = 0
    private var first: [Float]?
    /// Rows since the last blank line.
    private var inSequence = 0

    /// - Parameter path: nil or `-` for standard input.
    /// - Throws: `FileError`, `ValueFileError`.
    package init(_ path: String?) throws {
        lines = try LineReader(path)
        self.path = lines.path
        while columns == 0 {
            guard let bytes = try lines.next() else {
                throw ValueFileError(file: lines.path, place: "the whole file", problem: "no rows", expected: "numbers with commas between them",
                    found: line == 0 ? "nothing" : "no line with a number")
            }
            line += 1
            // Spreadsheets put a byte order mark before the first line.
            let text = bytes.dropFirst(line == 1 && bytes.starts(with: InputFile.byteOrderMark) ? 3 : 0)
            if line == 1, CSVRows.isHeading(text) { continue }
            let row = try numbers(text)
            if !row.isEmpty { (first, columns) = (row, row.count) }
        }
    }

    /// - Returns: an empty row for a blank line; nil at the end.
    /// - Throws: `FileError`, `ValueFileError`.
    package func next() throws -> [Float]? {
        if let row = first {
            (first, inSequence) = (nil, 1)
            return row
        }
        guard let bytes = try lines.next() else { return nil }
        line += 1
        let row = try numbers(bytes[...])
        inSequence = row.isEmpty ? 0 : inSequence + 1
        return row
    }

    /// - Throws: `ValueFileError` unless the row that `next` has returned has `columns` columns, all of them numbers or none of them, and
    ///   belongs to a sequence that is not too long to be read at once.
    package func check(_ row: [Float], columns: Int) throws {
        guard inSequence <= SequenceParser.longestSequence else {
            throw ValueFileError(
                file: path, place: "line \(line)", problem: "a sequence that is too long",
                expected: "a blank line after at most \(SequenceParser.longestSequence) rows", found: "more rows",
                remedy: "put blank lines between sequences")
        }
        guard row.count == columns else {
            throw ValueFileError(
                file: path, place: "line \(line)", problem: "another number of columns", expected: "\(columns)", found: "\(row.count)",
                remedy: "correct the line")
        }
        guard let column = row.withUnsafeBufferPointer({ ValueFile.strangeColumn($0) }) else { return }
        throw ValueFileError(
            file: path, place: "line \(line), column \(column + 1)", problem: "neither a number nor part of an absent row",
            expected: "finite numbers in single precision, or none in all columns", found: "\(row[column])", remedy: "correct the line")
    }

    private func numbers(_ bytes: ArraySlice<UInt8>) throws -> [Float] {
        do {
            return try CSVRows.numbers(bytes)
        } catch let error as NotANumber {
            throw ValueFileError(
                file: path, place: "line \(line)", problem: "not a number", expected: "numbers with commas between them; an empty cell for none",
                found: "'\(String(error.cell.prefix(40)).printable)'")
        }
    }

    struct NotANumber: Error { let cell: Substring }

    /// - Throws: `NotANumber`.
    static func numbers(_ bytes: ArraySlice<UInt8>) throws -> [Float] {
        try cells(bytes).map { cell in
            if cell.isEmpty || cell == "NA" { return .nan }
            guard let value = Float(cell) else { throw NotANumber(cell: cell) }
            return value
        }
    }

    /// Whether this first line names columns: it has words, and no cell of it is a number.
    private static func isHeading(_ bytes: ArraySlice<UInt8>) -> Bool {
        (try? numbers(bytes)) == nil && cells(bytes).allSatisfy { Float($0) == nil }
    }

    /// Without the spaces around them; none of a blank line.
    private static func cells(_ bytes: ArraySlice<UInt8>) -> [Substring] {
        let text = String(decoding: bytes, as: UTF8.self)
        if text.allSatisfy(\.isWhitespace) { return [] }
        return text.split(separator: ",", omittingEmptySubsequences: false).map { cell in
            var cell = cell.drop(while: \.isWhitespace)
            while cell.last?.isWhitespace == true { cell.removeLast() }
            return cell
        }
    }
}
