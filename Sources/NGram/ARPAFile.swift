import Corpus
import Files

/// A model read from an ARPA file, and its words.
package struct ARPAFile {
    package static let (begin, end, unknown) = ("<s>", "</s>", "<unk>")
    /// log10 of the probability of what a file says nothing of (KenLM's choice for a missing `<unk>`).
    private static let never: Float = -100

    package let model: NGramModel
    /// The words of the vocabulary, by number: those of the file in their order, but for `<s>`.
    package let words: [[UInt8]]
    /// What a user should know of the file.
    package let notes: [String]

    /// Whether a file is meant to be one: by its name, or by what it begins with.
    package static func isARPA(_ path: String) -> Bool {
        if [".arpa", ".arpa.gz"].contains(where: path.hasSuffix) { return true }
        guard Folder.isFile(path), let source = try? ByteSource(path) else { return false }
        var start = [UInt8](repeating: 0, count: 4096)
        guard let count = try? start.withUnsafeMutableBytes({ try source.read(into: $0) }) else { return false }
        return start[..<count].firstRange(of: Array("\\data\\".utf8)) != nil
    }

    /// Reads a file, or the content of a gzip file.
    /// - Parameter vocabulary: gives the words its numbers if it has the same words, in whatever order.
    /// - Throws: `ARPAError`, `FileError`, `GzipError`, `LineTooLong`.
    package init(_ path: String, numberedAs vocabulary: Vocabulary? = nil) throws {
        var reader = try ARPAReader(path)
        try reader.readCounts()
        var list = WordList()
        try reader.readLevel(1) { try list.add($1[$1.startIndex], probability: $2, backoff: $3, $0) }
        notes = try list.complete(reader, never: ARPAFile.never)
        let (numbers, wordSet) = list.number(as: vocabulary)

        var tree = GramTree(probabilities: list.probabilities.inOrder(numbers), backoffs: list.backoffs.inOrder(numbers))
        var ids: [Int32] = []
        for level in stride(from: 2, through: reader.counts.count, by: 1) {
            var next = GramTree.Next()
            var lines: [Int] = []
            try reader.readLevel(level) { reader, words, probability, backoff in
                ids.removeAll(keepingCapacity: true)
                for word in words {
                    guard let place = word.withUnsafeBufferPointer(list.words.find) else { throw reader.error(.unknownWord(String(decoding: word, as: UTF8.self))) }
                    ids.append(numbers[place])
                }
                guard let context = tree.find(ids.dropLast()) else {
                    throw reader.error(.noContext(words.map { String(decoding: $0, as: UTF8.self) }.joined(separator: " ")))
                }
                guard next.count < Int(Int32.max) else { throw reader.error(.tooMany(level: level)) }
                tree.add(ids[level - 1], after: context, probability: probability, backoff: backoff, to: &next)
                lines.append(reader.number)
            }
            if let (first, second) = tree.grow(next) { throw reader.error(.duplicate(of: lines[first]), line: lines[second]) }
        }
        model = try tree.model(wordSet)
        words = numbers.indices.sorted { numbers[$0] < numbers[$1] }.prefix(wordSet.vocabularySize).map { Array(list.words[$0]) }
    }
}

/// The 1-grams of a file, in its order.
private struct WordList {
    private(set) var words = ByteStringTable()
    private(set) var probabilities: [Float] = []
    private(set) var backoffs: [Float] = []
    private var lines: [Int] = []
    private var begin: Int?
    private var end: Int?
    private var unknown: Int?

    mutating func add(_ word: ArraySlice<UInt8>, probability: Float, backoff: Float, _ reader: ARPAReader) throws {
        let (place, isNew) = words.insert(word)
        guard isNew else { throw reader.error(.duplicate(of: lines[place])) }
        guard place < Int(Int32.max) - 3 else { throw reader.error(.tooMany(level: 1)) }
        probabilities.append(probability)
        backoffs.append(backoff)
        lines.append(reader.number)
    }

    /// Finds the special words, and adds those that must exist.
    /// - Returns: notes on what was added.
    mutating func complete(_ reader: ARPAReader, never: Float) throws -> [String] {
        let own = words.count
        begin = words.find(ARPAFile.begin)
        end = words.find(ARPAFile.end)
        unknown = words.find(ARPAFile.unknown) ?? words.find("<UNK>")
        // Some tools write the token as it is spelled in the text.
        let other = words.find(Vocabulary.endOfSentenceToken)
        if let other, end != nil {
            throw reader.error(.endReserved(Vocabulary.endOfSentenceToken), line: lines[other])
        }
        end = end ?? other
        let special = [begin, end, unknown].count { $0 != nil }
        guard own > special else { throw reader.error(.noWords) }
        var notes: [String] = []
        if begin == nil { notes.append("\(reader.path) has no <s>: lines begin without a context") }
        func added(_ word: String, _ place: Int?) -> Int {
            if let place { return place }
            notes.append("\(reader.path) has no \(word): its probability is 1e\(Int(never))")
            probabilities.append(never)
            backoffs.append(0)
            return words.insert(word.utf8).number
        }
        end = added(ARPAFile.end, end)
        unknown = added(ARPAFile.unknown, unknown)
        return notes
    }

    /// The number of each word in the model: the vocabulary's, if it has all words and no others; else its place. `<s>`, which is in no
    /// vocabulary, comes last.
    func number(as vocabulary: Vocabulary?) -> (numbers: [Int32], WordSet) {
        let size = words.count - (begin == nil ? 0 : 1)
        let numbers =
            ids(in: vocabulary, size: size)
            ?? words.indices.map { place in
                guard let begin else { return Int32(place) }
                return place == begin ? Int32(size) : Int32(place > begin ? place - 1 : place)
            }
        let wordSet = WordSet(
            vocabularySize: size, count: words.count, begin: begin.map { numbers[$0] }, end: numbers[end!], unknown: numbers[unknown!])
        return (numbers, wordSet!)
    }

    private func ids(in vocabulary: Vocabulary?, size: Int) -> [Int32]? {
        guard let vocabulary, vocabulary.count == size else { return nil }
        var ids: [Int32] = []
        for place in words.indices {
            let id =
                switch place {
                case begin: size
                case end: vocabulary.endOfSentence
                case unknown: vocabulary.unknown
                default: vocabulary.id(of: words[place])
                }
            guard let id else { return nil }
            ids.append(Int32(id))
        }
        // No word is there twice, but one may be spelled like the end of a line in the vocabulary.
        return Set(ids).count == ids.count ? ids : nil
    }
}

extension [Float] {
    /// Element i goes to place `numbers[i]`.
    fileprivate func inOrder(_ numbers: [Int32]) -> [Float] {
        var result = self
        for (place, number) in numbers.enumerated() { result[Int(number)] = self[place] }
        return result
    }
}
