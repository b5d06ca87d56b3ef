import Diagnostics

/// A file that is no ARPA model, or one that contradicts itself.
package struct ARPAError: DiagnosedError, Equatable {
    package enum Problem: Equatable, Sendable {
        /// The end came before what is named.
        case truncated(before: String)
        case notARPA
        case badCount(String)
        case tooManyOrders(Int)
        case heading(expected: String, found: String)
        case fields(level: Int, found: Int)
        case notANumber(String)
        case positive(String)
        case unknownWord(String)
        case duplicate(of: Int)
        case noContext(String)
        case count(level: Int, expected: Int, found: Int)
        case tooMany(level: Int)
        case noWords
        case endReserved(String)
    }

    package let file: String
    /// From 1.
    package let line: Int
    package let problem: Problem

    package var kind: FailureKind { .data }

    package var diagnosis: Diagnosis {
        var diagnosis = problem.diagnosis
        diagnosis.file = file
        diagnosis.location = "line \(line)"
        return diagnosis
    }
}

extension ARPAError.Problem {
    private static let copyAgain = "copy or download the file again, or write it again with the program that made it"

    fileprivate var diagnosis: Diagnosis {
        switch self {
        case .truncated(let what):
            Diagnosis("the ARPA file ends too early", expected: what, found: "the end of the file", remedy: Self.copyAgain)
        case .notARPA:
            Diagnosis("not an ARPA file", expected: "\\data\\", remedy: "give the n-gram model that SRILM, KenLM or lockstep train wrote")
        case .badCount(let found):
            Diagnosis("not a count of n-grams", expected: "ngram N=COUNT, for N = 1, 2, ...", found: "'\(found.printable)'", remedy: Self.copyAgain)
        case .tooManyOrders(let limit):
            Diagnosis("n-grams longer than \(limit) words", expected: "at most \(limit)", remedy: "prune the model to a lower order")
        case .heading(let expected, let found):
            Diagnosis("the ARPA file has something else here", expected: expected, found: "'\(found.printable)'", remedy: Self.copyAgain)
        case .fields(let level, let found):
            Diagnosis(
                "not an n-gram of this length", expected: "log10 of its probability, \(level == 1 ? "a word" : "\(level) words"), and its weight",
                found: "\(found) part\(found == 1 ? "" : "s")", remedy: Self.copyAgain)
        case .notANumber(let found):
            Diagnosis("not a finite number", expected: "a logarithm to base 10", found: "'\(found.printable)'", remedy: Self.copyAgain)
        case .positive(let found):
            Diagnosis(
                "a probability above 1", expected: "log10 of a probability, at most 0", found: found.printable,
                remedy: "write the model again: its log probabilities must be to base 10")
        case .unknownWord(let word):
            Diagnosis("a word that is not among the 1-grams", found: "'\(word.printable)'", remedy: Self.copyAgain)
        case .duplicate(let line):
            Diagnosis("the same n-gram as in line \(line)", remedy: "remove one of the two, and correct the count in the head of the file")
        case .noContext(let gram):
            Diagnosis(
                "the n-gram without its last word is not in the file", found: "'\(gram.printable)'",
                remedy: "write the model again; pruning must keep the contexts of what it keeps")
        case .count(let level, let expected, let found):
            Diagnosis(
                "not as many \(level)-grams as the head of the file says", expected: "\(expected)", found: "\(found)", remedy: Self.copyAgain)
        case .tooMany(let level): Diagnosis("more \(level)-grams than can be numbered", expected: "at most \(Int32.max)", remedy: "prune the model")
        case .noWords: Diagnosis("a model without words", expected: "1-grams other than <s>, </s> and <unk>", remedy: Self.copyAgain)
        case .endReserved(let word):
            Diagnosis(
                "the word \(word) stands for what ARPA files call </s>, and the file has both",
                remedy: "rename one of the two in the file")
        }
    }
}
