/// Writes a model in the ARPA format (Doug Paul's, of SRILM and KenLM): for each length the n-grams, one a line, with log10 of
/// their probability before and log10 of their back-off weight after them.
///
/// Numbers have as many digits as identify them in single precision, so that reading gives the same model.
package struct ARPAWriter {
    private let model: NGramModel
    /// How each word is spelled.
    private let spellings: [[UInt8]]
    private var buffer: [UInt8] = []
    private let write: (UnsafeRawBufferPointer) throws -> Void

    /// - Parameters:
    ///   - spelling: of a word of the vocabulary, other than the end of a line and `<unk>`; without white space.
    ///   - write: receives the bytes of the file, in pieces.
    /// - Throws: what `write` throws.
    package static func write(
        _ model: NGramModel, spelling: (Int) -> [UInt8], to write: @escaping (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        var writer = ARPAWriter(model, spelling, write)
        try writer.writeHeader()
        for level in 1...model.order { try writer.writeLevel(level) }
        writer.append("\n\\end\\\n")
        try writer.flush()
    }

    private init(
        _ model: NGramModel, _ spelling: (Int) -> [UInt8], _ write: @escaping (UnsafeRawBufferPointer) throws -> Void
    ) {
        let words = model.wordSet
        self.model = model
        self.write = write
        spellings = (0..<Int32(words.count)).map { word in
            switch word {
            case words.begin: Array(ARPAFile.begin.utf8)
            case words.end: Array(ARPAFile.end.utf8)
            case words.unknown: Array(ARPAFile.unknown.utf8)
            default: spelling(Int(word))
            }
        }
    }

    private mutating func writeHeader() throws {
        append("\\data\\\n")
        for (index, level) in model.levels.enumerated() { append("ngram \(index + 1)=\(level.count)\n") }
    }

    /// The n-grams of length `n`, in the order of the tree.
    private mutating func writeLevel(_ n: Int) throws {
        append("\n\\\(n)-grams:\n")
        let level = model.levels[n - 1]
        /// The n-gram of each shorter length that the current one begins with, and the spelling of the longest.
        var path = [Int](repeating: 0, count: n)
        var prefix: [UInt8] = []
        for gram in 0..<level.count {
            if moveOn(&path, to: gram) || gram == 0 { prefix = spelling(of: path) }
            append(number: level.logProbabilities[gram])
            buffer.append(tab)
            buffer += prefix
            buffer += spellings[n == 1 ? gram : Int(level.words[gram])]
            if n < model.order {
                buffer.append(tab)
                append(number: level.backoffs[gram])
            }
            buffer.append(newline)
            if buffer.count > 1 << 20 { try flush() }
        }
    }

    /// Moves the path to the last n-gram, whose number is `gram`, of the length after the path's.
    /// - Parameter path: `path[k]` is the n-gram of length k, from 1.
    /// - Returns: whether it has changed.
    private func moveOn(_ path: inout [Int], to gram: Int) -> Bool {
        var (child, changed) = (gram, false)
        for length in stride(from: path.count - 1, to: 0, by: -1) {
            let children = model.levels[length - 1].children
            guard Int(children[path[length] + 1]) <= child else { break }
            repeat { path[length] += 1 } while Int(children[path[length] + 1]) <= child
            (child, changed) = (path[length], true)
        }
        return changed
    }

    private func spelling(of path: [Int]) -> [UInt8] {
        var bytes: [UInt8] = []
        for length in stride(from: 1, to: path.count, by: 1) {
            bytes += spellings[length == 1 ? path[1] : Int(model.levels[length - 1].words[path[length]])]
            bytes.append(space)
        }
        return bytes
    }

    private mutating func append(_ text: String) { buffer += text.utf8 }

    private mutating func append(number: Float) {
        // 0, not 0.0 or -0.0.
        if number == 0 { buffer.append(UInt8(ascii: "0")) } else { append(number.description) }
    }

    private mutating func flush() throws {
        try buffer.withUnsafeBytes { try write($0) }
        buffer.removeAll(keepingCapacity: true)
    }
}

private let (tab, space, newline) = (UInt8(ascii: "\t"), UInt8(ascii: " "), UInt8(ascii: "\n"))
