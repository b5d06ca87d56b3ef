import Foundation
import TestSupport
import Testing

/// The lines in which `lockstep` says what is wrong; mpirun has much to say besides.
func complaints(_ errors: String) -> [String] {
    errors.split(separator: "\n").map(String.init).filter { $0.hasPrefix("lockstep:") }
}

/// A failure as a user should meet it: soon, by exit and not by signal, with the documented code and one line that
/// holds all `fragments`.
func expectRefusal(
    _ outcome: Launch.Outcome, status: Int32, _ fragments: [String], underMPI: Bool = false,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    let comment = Comment(
        rawValue: "status \(outcome.status), output '\(outcome.output.prefix(200))', errors '\(outcome.errors)'")
    #expect(!outcome.timedOut, comment, sourceLocation: sourceLocation)
    #expect(outcome.status == status, comment, sourceLocation: sourceLocation)
    let lines = complaints(outcome.errors)
    #expect(lines.count == 1, comment, sourceLocation: sourceLocation)
    for fragment in fragments where lines.first?.contains(fragment) != true {
        Issue.record("no '\(fragment)' in: \(comment)", sourceLocation: sourceLocation)
    }
    // The option parser adds the usage; work that had started has left its progress.
    if !underMPI, lines.first?.hasPrefix("lockstep:") == true {
        let others = outcome.errors.split(separator: "\n").filter {
            !["lockstep:", "Help:", "Usage:", "  See '"].contains(where: $0.hasPrefix) && !$0.hasPrefix("note:") && !$0.hasSuffix(" ...")
        }
        #expect(others.isEmpty, comment, sourceLocation: sourceLocation)
    }
    #expect(outcome.output.isEmpty, comment, sourceLocation: sourceLocation)
}

/// Changes the last bit of a file's last byte.
func flipBit(of path: String) throws {
    var bytes = try Data(contentsOf: URL(filePath: path))
    bytes[bytes.count - 1] ^= 1
    try bytes.write(to: URL(filePath: path))
}

func truncate(_ path: String, by count: Int = 1) throws {
    try Data(contentsOf: URL(filePath: path)).dropLast(count).write(to: URL(filePath: path))
}
