import Diagnostics
import Files

/// The labels of a dataset by id, the most frequent of the training part first; ties are broken by bytes.
///
/// `labels.json`:
///
///     { "counts" : [ 120, 80 ], "format" : "lockstep labels", "labels" : [ "O", "B-artist" ], "version" : 1 }
package struct Labels: Sendable, Equatable {
    package let names: [String]
    /// Occurrences in the training part.
    package let counts: [Int]

    /// The most that a dataset may have.
    package static let most = 1 << 16
    /// Bytes of a label.
    static let longest = 1024

    package var count: Int { names.count }

    /// - Parameter names: not empty, no two the same.
    package init(_ names: [String], counts: [Int]) {
        precondition(names.count == counts.count)
        self.names = names
        self.counts = counts
    }

    /// SHA-256 over each label's bytes and a newline, in the order of the ids.
    package var hash: String {
        let digest = Digest()
        for name in names { digest.update(Array("\(name)\n".utf8)) }
        return digest.hexadecimal()
    }

    /// Whether it can be one: text on one line.
    static func isLabel(_ bytes: some Collection<UInt8>) -> Bool {
        1...longest ~= bytes.count && !bytes.contains { $0 == newline || $0 == tabulator || $0 == 0 }
            && String(validating: bytes, as: UTF8.self) != nil
    }
}

let tabulator = UInt8(ascii: "\t")

private struct LabelsFile: Codable {
    var format = LabelsFile.name
    var version = 1
    var labels: [String]
    var counts: [Int]

    static let name = "lockstep labels"
}

extension Labels {
    /// Reads and checks a `labels.json`.
    /// - Throws: `FileError`, `JSONFileError`, `LabelsError`.
    package init(contentsOf path: String) throws {
        let file = try JSONFile.read(LabelsFile.self, from: path, format: LabelsFile.name, limit: 1 << 28)
        guard 1...Labels.most ~= file.labels.count else {
            throw LabelsError(file: path, problem: "a number of labels that cannot be", expected: "1 to \(Labels.most)", found: "\(file.labels.count)")
        }
        guard file.counts.count == file.labels.count, file.counts.allSatisfy({ $0 >= 0 }) else {
            throw LabelsError(file: path, problem: "labels without a count each", expected: "\(file.labels.count) counts", found: "\(file.counts.count)")
        }
        guard file.labels.allSatisfy({ Labels.isLabel(Array($0.utf8)) }), Set(file.labels.map { Array($0.utf8) }).count == file.labels.count else {
            throw LabelsError(file: path, problem: "a label that is empty, there twice, too long or on several lines", expected: "labels of 1 to \(Labels.longest) bytes", found: nil)
        }
        self.init(file.labels, counts: file.counts)
    }

    /// The content of `labels.json`.
    func json() throws -> String { try JSONFile.text(LabelsFile(labels: names, counts: counts)) }
}

/// A `labels.json` that cannot be one.
package struct LabelsError: DiagnosedError, Equatable {
    package let file: String
    let problem: String
    let expected: String
    let found: String?

    package var kind: FailureKind { .data }
    package var diagnosis: Diagnosis {
        Diagnosis(problem, file: file, expected: expected, found: found, remedy: "prepare the data again")
    }
}
