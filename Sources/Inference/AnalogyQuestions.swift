import Diagnostics
import Files

/// Questions of the form "a is to b as c is to d" in the file format of word2vec's `questions-words.txt`: a line of four words for each,
/// and lines such as `: capital-world` between sections.
package struct AnalogyQuestions {
    package struct Section {
        package let name: String
        /// Each of four words.
        package var questions: [[String]] = []
    }

    package private(set) var sections: [Section] = []

    /// - Parameter path: may be gzip, or "-" for standard input.
    /// - Throws: `FileError`, `NotText`, `AnalogyFileError`.
    package init(contentsOf path: String) throws {
        let lines = try LineReader(path)
        var number = 0
        while let line = try lines.next() {
            number += 1
            let words = String(decoding: line, as: UTF8.self).split(whereSeparator: \.isWhitespace).map(String.init)
            if words.isEmpty { continue }
            if words[0].hasPrefix(":") {
                let name = ([String(words[0].dropFirst())] + words.dropFirst()).filter { !$0.isEmpty }.joined(separator: " ")
                sections.append(Section(name: name))
                continue
            }
            guard words.count == 4 else { throw AnalogyFileError(file: path, line: number, found: words.count) }
            if sections.isEmpty { sections.append(Section(name: "questions")) }
            sections[sections.count - 1].questions.append(words)
        }
        guard sections.contains(where: { !$0.questions.isEmpty }) else { throw AnalogyFileError(file: path, line: number, found: 0) }
    }

    /// Answers every question whose four words the vocabulary has with the word closest to `b - a + c` (Mikolov, Yih and Zweig 2013,
    /// section 4; any word but a, b and c).
    /// - Parameter token: the id of a word, if the vocabulary has it.
    /// - Throws: `KernelError`.
    package func answers(of vectors: WordVectors, token: (String) -> Int?) throws -> [AnalogyScore] {
        var ids: [String: Int?] = [:]
        func id(_ word: String) -> Int? {
            if let known = ids[word] { return known }
            let found = token(word)
            ids[word] = .some(found)
            return found
        }
        return try sections.map { section in
            let covered = section.questions.map { $0.compactMap(id) }.filter { $0.count == 4 }
            let queries = covered.map { WordVectors.Query([($0[1], 1), ($0[0], -1), ($0[2], 1)]) }
            let answers = try vectors.nearest(to: queries, count: 1)
            let correct = zip(covered, answers).count { $0[3] == $1.first?.token }
            return AnalogyScore(
                name: section.name, questions: section.questions.count, covered: covered.count, correct: correct)
        }
    }
}

/// How a section's questions were answered.
package struct AnalogyScore: Encodable, Equatable {
    package let name: String
    package let questions: Int
    /// Questions all of whose words the vocabulary has.
    package let covered: Int
    package let correct: Int

    package init(name: String, questions: Int, covered: Int, correct: Int) {
        (self.name, self.questions, self.covered, self.correct) = (name, questions, covered, correct)
    }

    /// Of several sections.
    package static func total(_ scores: [AnalogyScore]) -> AnalogyScore {
        AnalogyScore(
            name: "all", questions: scores.reduce(0) { $0 + $1.questions }, covered: scores.reduce(0) { $0 + $1.covered },
            correct: scores.reduce(0) { $0 + $1.correct })
    }
}

package struct AnalogyFileError: DiagnosedError, Equatable {
    package let file: String
    package let line: Int
    /// Words in the line; 0 if the file has no question at all.
    package let found: Int

    package init(file: String, line: Int, found: Int) { (self.file, self.line, self.found) = (file, line, found) }

    package var kind: FailureKind { .data }
    package var diagnosis: Diagnosis {
        Diagnosis(
            "not a file of analogies", file: file, location: "line \(line)", expected: "four words, or a section's name after a colon",
            found: found == 0 ? "no question" : "\(found) word\(found == 1 ? "" : "s")",
            remedy: "use the format of word2vec's questions-words.txt")
    }
}
