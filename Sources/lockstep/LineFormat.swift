import ArgumentParser
import Diagnostics

/// The position of the text in a line, and the way its score is written.
enum LineFormat: String, CaseIterable, ExpressibleByArgument {
    /// The whole line; a score.
    case text
    /// `ID TEXT`, as Kaldi's text files; `ID SCORE`.
    case id
    /// The last of several columns with tabs between them; the columns before it and the score.
    case tab
    /// `N ||| TEXT ||| FEATURES ||| ...`, as Moses' n-best lists; the same line with the score as one more feature.
    case moses
    /// A word a line, in the first of several columns, with blank lines between sentences; the line and its tag. Only for models that
    /// predict tags, which do not read it line by line.
    case columns

    /// The other parts of a line.
    struct Frame {
        fileprivate let before: ArraySlice<UInt8>
        fileprivate var after: ArraySlice<UInt8> = []

        /// The id or columns before the text; nil where there are none. Bytes that are not UTF-8 show as U+FFFD.
        var identity: String? { before.isEmpty ? nil : String(decoding: before, as: UTF8.self) }
    }

    /// - Parameter number: the number of the line, for errors.
    /// - Throws: `UnreadableLine`.
    func parse(_ line: ArraySlice<UInt8>, file: String, number: Int) throws -> (text: ArraySlice<UInt8>, frame: Frame) {
        switch self {
        case .text, .columns:
            return (line, Frame(before: []))
        case .id:
            guard let end = line.firstIndex(where: { $0 == blank || $0 == tabulator }) ?? (line.isEmpty ? nil : line.endIndex), end > line.startIndex else {
                throw UnreadableLine(file: file, number: number, expected: "an id, a space and the text")
            }
            return (line[min(end + 1, line.endIndex)...], Frame(before: line[..<end]))
        case .tab:
            guard let end = line.lastIndex(of: tabulator) else {
                throw UnreadableLine(file: file, number: number, expected: "columns with a tab between them, the text in the last")
            }
            return (line[(end + 1)...], Frame(before: line[..<end]))
        case .moses:
            guard let begin = line.firstRange(of: Self.bars)?.upperBound else {
                throw UnreadableLine(file: file, number: number, expected: "fields with ||| between them, the text in the second")
            }
            let end = line[begin...].firstRange(of: Self.bars)?.lowerBound ?? line.endIndex
            // The spaces around the bars belong to the format.
            let text = line[begin..<end].drop { $0 == blank }
            let features = line[end...].dropFirst(Self.bars.count)
            let place = features.firstRange(of: Self.bars)?.lowerBound ?? line.endIndex
            var before = line[..<place]
            while before.last == blank { before.removeLast() }
            if end == line.endIndex { before += Array(" |||".utf8) }
            return (text.reversed().drop { $0 == blank }.reversed()[...], Frame(before: before, after: line[place...]))
        }
    }

    /// The line to print.
    /// - Parameter numbers: the score, and the counts if they were requested.
    func line(_ numbers: [String], in frame: Frame) -> [UInt8] {
        switch self {
        case .text, .columns: Array(numbers.joined(separator: "\t").utf8)
        case .id: frame.before + Array((" " + numbers.joined(separator: " ")).utf8)
        case .tab: frame.before + Array(("\t" + numbers.joined(separator: "\t")).utf8)
        case .moses:
            frame.before + Array(" lockstep= \(numbers.joined(separator: " "))".utf8)
                + (frame.after.isEmpty ? [] : [blank] + frame.after)
        }
    }

    private static let bars = Array("|||".utf8)
}

private let (blank, tabulator) = (UInt8(ascii: " "), UInt8(ascii: "\t"))

struct UnreadableLine: DiagnosedError {
    let file: String
    let number: Int
    let expected: String
    var remedy = "choose another --format"

    var kind: FailureKind { .data }
    var diagnosis: Diagnosis {
        Diagnosis(
            "not a line of this format", file: file, location: "line \(number)", expected: expected,
            remedy: remedy)
    }
}
