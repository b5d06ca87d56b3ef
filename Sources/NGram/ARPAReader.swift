import Corpus
import Files

/// The lines of an ARPA file, from first to last. Memory grows with what is read, never with what the head of the file claims.
struct ARPAReader {
    /// The highest order that is read.
    static let highestOrder = 20

    /// What the head says, by level.
    private(set) var counts: [Int] = []
    private let lines: LineReader
    /// Of the line read last, from 1.
    private(set) var number = 0

    /// - Throws: `FileError`, `NotText`.
    init(_ path: String) throws { lines = try LineReader(path) }

    var path: String { lines.path }

    func error(_ problem: ARPAError.Problem, line: Int? = nil) -> ARPAError {
        ARPAError(file: lines.path, line: line ?? number, problem: problem)
    }

    /// The next line that is not empty, without white space around it.
    /// - Parameter what: what should come.
    private mutating func next(_ what: @autoclosure () -> String) throws -> ArraySlice<UInt8> {
        while let line = try lines.next() {
            number += 1
            let text = line.trimmed
            if !text.isEmpty { return text }
        }
        number += 1
        throw error(.truncated(before: what()))
    }

    /// Reads the head, the heading of level 1 included. Whatever stands before `\data\` is a comment.
    mutating func readCounts() throws {
        do {
            while try next("").elementsEqual("\\data\\".utf8) == false {}
        } catch let error as ARPAError {
            throw ARPAError(file: error.file, line: 1, problem: .notARPA)
        }
        while true {
            let line = String(decoding: try next("ngram N=COUNT"), as: UTF8.self)
            if line == "\\1-grams:", !counts.isEmpty { return }
            let parts = line.split(separator: "=", omittingEmptySubsequences: false)
            let head = parts[0].split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard parts.count == 2, head.count == 2, head[0] == "ngram", head[1] == "\(counts.count + 1)",
                let count = Int(parts[1].filter { $0 != " " && $0 != "\t" }), count >= 0
            else { throw error(.badCount(String(line.prefix(80)))) }
            guard counts.count < ARPAReader.highestOrder else { throw error(.tooManyOrders(ARPAReader.highestOrder)) }
            counts.append(count)
        }
    }

    /// Reads the n-grams of a level, and the heading of the next.
    /// - Parameter body: called with the words of each n-gram, in order, and its two numbers; the weight is 0 where there is none.
    mutating func readLevel(
        _ level: Int, _ body: (_ reader: ARPAReader, _ words: ArraySlice<ArraySlice<UInt8>>, _ probability: Float, _ backoff: Float) throws -> Void
    ) throws {
        let expected = counts[level - 1]
        var fields: [ArraySlice<UInt8>] = []
        for found in 0..<expected {
            let line = try next("\(expected) \(level)-grams, of which \(found) were there")
            if line.first == backslash { throw error(.count(level: level, expected: expected, found: found)) }
            line.split(into: &fields)
            let hasBackoff = fields.count == level + 2 && level < counts.count
            guard fields.count == level + 1 || hasBackoff else { throw error(.fields(level: level, found: fields.count)) }
            let probability = try value(of: fields[0])
            guard probability <= 0 else { throw error(.positive(String(decoding: fields[0], as: UTF8.self))) }
            try body(self, fields[1...level], probability, hasBackoff ? value(of: fields[level + 1]) : 0)
        }
        let heading = level < counts.count ? "\\\(level + 1)-grams:" : "\\end\\"
        let line = try next(heading)
        guard line.first == backslash else { throw error(.count(level: level, expected: expected, found: expected + 1)) }
        guard line.elementsEqual(heading.utf8) else {
            throw error(.heading(expected: heading, found: String(decoding: line.prefix(80), as: UTF8.self)))
        }
    }

    private func value(of field: ArraySlice<UInt8>) throws -> Float {
        let text = String(decoding: field, as: UTF8.self)
        guard let value = Float(text), value.isFinite else { throw error(.notANumber(String(text.prefix(80)))) }
        return value
    }
}

private let backslash = UInt8(ascii: "\\")

/// Words may contain any other white space.
private func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D || byte == 0 }

extension [UInt8] {
    /// Without blanks at both ends.
    fileprivate var trimmed: ArraySlice<UInt8> {
        var text = self[...]
        while let last = text.last, isBlank(last) { text.removeLast() }
        while let first = text.first, isBlank(first) { text.removeFirst() }
        return text
    }
}

extension ArraySlice<UInt8> {
    /// The parts between blanks.
    fileprivate func split(into parts: inout [ArraySlice<UInt8>]) {
        parts.removeAll(keepingCapacity: true)
        var start = startIndex
        for index in indices where isBlank(self[index]) {
            if index > start { parts.append(self[start..<index]) }
            start = index + 1
        }
        if endIndex > start { parts.append(self[start...]) }
    }
}
