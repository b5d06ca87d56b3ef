import Corpus
import Diagnostics
import Files
import Kernels
import Recurrent

/// The word vectors of another program for the words of a vocabulary, from text: as word2vec writes it, with a line of the number and
/// the width of the vectors before them, or as GloVe does, without. A line has a word and its values, separated by single spaces.
///
/// Words are compared as they are spelled; a word of the vocabulary that the file lacks gets the vector of its lower-case form, and the
/// end of a line that of word2vec's `</s>`. Of a word that comes twice the first vector counts. The file is read line by line: only
/// the vectors of the vocabulary are kept.
package struct PretrainedVectors {
    package let path: String
    /// SHA-256 of the lines read.
    package let sha256: String
    /// Ids of the tokens with a vector, ascending.
    package let tokens: [Int]
    /// How many of them have that of their lower-case form.
    package let lowerCased: Int
    private let width: Int
    private let values: [Float]  // [tokens, E]

    /// - Parameters:
    ///   - path: may be gzip, or "-" for standard input.
    ///   - width: E.
    /// - Throws: `VectorFileError`, `FileError`, `GzipError`, `CompressedText`, `LineTooLong`.
    package init(contentsOf path: String, width: Int, for vocabulary: Vocabulary) throws {
        let lines = try LineReader(path)
        try lines.requireText()
        var reader = VectorReader(path: lines.path, width: width)
        var found = Found(vocabulary)
        let digest = Digest()
        while let line = try lines.next() {
            line.withUnsafeBytes { digest.update($0) }
            [UInt8(ascii: "\n")].withUnsafeBytes { digest.update($0) }
            guard let word = try reader.read(line) else { continue }
            found.note(word, reader.values)
        }
        try reader.requireComplete()
        self.path = lines.path
        self.width = width
        sha256 = digest.hexadecimal()
        (tokens, values, lowerCased) = found.inOrder(width)
        if tokens.isEmpty { throw VectorFileError.noneFound(file: lines.path, vectors: reader.count) }
    }

    /// Fills in the rows of the tokens found, and leaves the others as they are.
    package func load(into parameters: Arena) {
        let embedding = parameters.matrix(ModelFile.encoder)
        values.withUnsafeBufferPointer { values in
            for (place, token) in tokens.enumerated() {
                embedding.row(token).update(from: values.baseAddress! + place * width, count: width)
            }
        }
    }
}

/// What has been found of a vocabulary so far.
private struct Found {
    private let exact: [[UInt8]: Int]
    /// Of lower-case forms that are not in the vocabulary themselves.
    private var folded: [[UInt8]: [Int]] = [:]
    private var places: [Int: Int] = [:]
    private var isFolded: Set<Int> = []
    private var values: [Float] = []

    init(_ vocabulary: Vocabulary) {
        var ids: [[UInt8]: Int] = [:]
        for id in 0..<vocabulary.count { ids[Array(vocabulary.bytes(of: id))] = id }
        if let end = vocabulary.endOfSentence {
            let mark = Array("</s>".utf8)
            if ids[mark] == nil { ids[mark] = end }
        }
        for id in 0..<vocabulary.count where vocabulary.level.isSpaced {
            let lower = Array(String(decoding: vocabulary.bytes(of: id), as: UTF8.self).lowercased().utf8)
            if ids[lower] == nil || ids[lower] != id { folded[lower, default: []].append(id) }
        }
        exact = ids
    }

    mutating func note(_ word: ArraySlice<UInt8>, _ vector: [Float]) {
        let word = Array(word)
        if let id = exact[word], places[id] == nil || isFolded.contains(id) {
            isFolded.remove(id)
            add(id, vector)
        }
        for id in folded[word] ?? [] where places[id] == nil {
            isFolded.insert(id)
            add(id, vector)
        }
    }

    private mutating func add(_ id: Int, _ vector: [Float]) {
        places[id] = values.count
        values += vector
    }

    func inOrder(_ width: Int) -> (tokens: [Int], values: [Float], lowerCased: Int) {
        let tokens = places.keys.sorted()
        return (tokens, tokens.flatMap { values[places[$0]!..<places[$0]! + width] }, isFolded.count)
    }
}

/// The lines of a file of vectors.
private struct VectorReader {
    let path: String
    let width: Int
    private var line = 0
    /// What the first line says, as word2vec writes it.
    private var announced: Int?
    private(set) var count = 0
    /// Of the last line, [E].
    private(set) var values: [Float]

    init(path: String, width: Int) {
        self.path = path
        self.width = width
        values = Array(repeating: 0, count: width)
    }

    /// - Returns: the word of a line, of which `values` are the values; nil for the first line of word2vec.
    mutating func read(_ bytes: [UInt8]) throws -> ArraySlice<UInt8>? {
        line += 1
        // word2vec ends lines with a space, Windows with a carriage return.
        var text = line == 1 && bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes[3...] : bytes[...]
        while let last = text.last, last == space || last == UInt8(ascii: "\r") || last == UInt8(ascii: "\t") { text.removeLast() }
        if line == 1, let (vectors, found) = header(text) {
            guard found == width else { throw VectorFileError.width(file: path, line: 1, expected: width, found: found) }
            announced = vectors
            return nil
        }
        // From the end, since a word of GloVe's may have spaces.
        var fields: [Range<Int>] = []
        var end = text.endIndex
        while fields.count < width, let start = text[..<end].lastIndex(where: { $0 == space || $0 == UInt8(ascii: "\t") }) {
            fields.append(start + 1..<end)
            end = start
        }
        let word = text[..<end]
        guard fields.count == width, !word.isEmpty else { throw damaged(text) }
        // A number behind the word is a value too many.
        if let start = word.lastIndex(of: space), number(word[(start + 1)...]) != nil { throw damaged(text) }
        for (place, field) in fields.reversed().enumerated() {
            guard let value = number(text[field]) else { throw damaged(text) }
            guard value.isFinite else {
                throw VectorFileError.notFinite(file: path, line: line, found: String(decoding: text[field].prefix(20), as: UTF8.self))
            }
            values[place] = value
        }
        count += 1
        return word
    }

    private let space = UInt8(ascii: " ")

    /// "400000 300"
    private func header(_ text: ArraySlice<UInt8>) -> (vectors: Int, width: Int)? {
        let numbers = text.split(separator: space).map { Int(String(decoding: $0, as: UTF8.self)) }
        guard numbers.count == 2, let vectors = numbers[0], let found = numbers[1], vectors > 0, found > 0 else { return nil }
        return (vectors, found)
    }

    /// A line that is not a word and its values: of another width in the first, damaged later.
    private func damaged(_ text: ArraySlice<UInt8>) -> VectorFileError {
        let fields = text.split(whereSeparator: { $0 == space || $0 == UInt8(ascii: "\t") })
        let numbers = fields.reversed().prefix { number($0) != nil }.count
        if count == 0, numbers > 0, numbers < fields.count { return .width(file: path, line: line, expected: width, found: numbers) }
        return .line(file: path, line: line, expected: width, found: numbers, fields: fields.count)
    }

    /// A number in decimal digits; nil for another text.
    private func number(_ text: ArraySlice<UInt8>) -> Float? {
        text.count < 64 && !text.contains(UInt8(ascii: "x")) ? Float(String(decoding: text, as: UTF8.self)) : nil
    }

    func requireComplete() throws {
        guard count > 0 else { throw VectorFileError.empty(file: path) }
        if let announced, announced != count { throw VectorFileError.count(file: path, expected: announced, found: count) }
    }
}

/// What can be wrong with a file of vectors.
package enum VectorFileError: DiagnosedError, Equatable {
    case empty(file: String)
    case width(file: String, line: Int, expected: Int, found: Int)
    case line(file: String, line: Int, expected: Int, found: Int, fields: Int)
    case notFinite(file: String, line: Int, found: String)
    case count(file: String, expected: Int, found: Int)
    case noneFound(file: String, vectors: Int)

    package var kind: FailureKind { .data }

    package var diagnosis: Diagnosis {
        let format = "each line a word and its values, separated by spaces, as word2vec (text, not binary) and GloVe write them"
        return switch self {
        case .empty(let file): Diagnosis("the file has no vectors", file: file, expected: format)
        case .width(let file, let line, let expected, let found):
            Diagnosis(
                "vectors of another width than the embedding", file: file, location: "line \(line)", expected: "\(expected) values, as model.embedding says",
                found: "\(found)", remedy: "set model.embedding to \(found), or give vectors with \(expected) values")
        case .line(let file, let line, let expected, let found, let fields):
            Diagnosis(
                "not a word and its vector", file: file, location: "line \(line)", expected: "a word and \(expected) numbers",
                found: "\(fields) field\(fields == 1 ? "" : "s"), of which the last \(found) are numbers", remedy: "repair or remove the line; the file must have \(format)")
        case .notFinite(let file, let line, let found):
            Diagnosis(
                "a value that is no finite number in single precision", file: file, location: "line \(line)", found: found.printable, remedy: "repair or remove the line")
        case .count(let file, let expected, let found):
            Diagnosis(
                "the file ends early, or its first line is wrong", file: file, expected: "\(expected) vectors, as the first line says", found: "\(found)",
                remedy: "fetch the file again, or correct its first line")
        case .noneFound(let file, let vectors):
            Diagnosis(
                "none of the file's words is in the data's vocabulary", file: file, found: "\(vectors) vectors",
                remedy: "give vectors of the data's language and kind of tokens")
        }
    }
}
