/// What an error says to the person who meets it: what happened, where, what was expected and found, and what to do.
///
/// Printed as one line: `FILE, LOCATION: what; expected E, found F; remedy`.
package struct Diagnosis: Sendable, Equatable {
    package var what: String
    /// Path of the file concerned, as the user typed it.
    package var file: String?
    /// Where inside the file or run: a line, byte offset, key path, tensor name, step.
    package var location: String?
    package var expected: String?
    package var found: String?
    /// The next thing to do, in the imperative.
    package var remedy: String?

    package init(
        _ what: String, file: String? = nil, location: String? = nil, expected: String? = nil, found: String? = nil,
        remedy: String? = nil
    ) {
        self.what = what
        self.file = file
        self.location = location
        self.expected = expected
        self.found = found
        self.remedy = remedy
    }

    /// One line without control characters and of bounded length, whatever a stranger's file has put into the parts.
    package var line: String {
        var parts: [String] = []
        let (location, expected, found) = (shortened(location), shortened(expected), shortened(found))
        let place = [file?.printablePath, location].compactMap { $0 }.joined(separator: ", ")
        parts.append(place.isEmpty ? what : "\(place): \(what)")
        switch (expected, found) {
        case (let expected?, let found?): parts.append("expected \(expected), found \(found)")
        case (let expected?, nil): parts.append("expected \(expected)")
        case (nil, let found?): parts.append("found \(found)")
        case (nil, nil): break
        }
        if let remedy { parts.append(remedy) }
        return parts.joined(separator: "; ").replacing("\n", with: " ").printable(limit: 2000)
    }

    private func shortened(_ part: String?) -> String? { part?.printable(limit: 400) }
}

/// Who has to act, and hence the exit code of the process (the BSD `sysexits.h` values).
package enum FailureKind: Int32, Sendable, CaseIterable {
    /// The command line or configuration is wrong.
    case usage = 64
    /// A dataset, checkpoint or other input is wrong or damaged.
    case data = 65
    /// The machine is not fit for training (`lockstep doctor`).
    case unfit = 69
    /// A numeric failure or an error in lockstep itself.
    case `internal` = 70
    /// The operating system refused a read, a write or a message.
    case inputOutput = 74
    /// Not an error: stopped on request, checkpoint saved.
    case stopped = 75
}

/// Every error lockstep throws on purpose. Modules define their own typed errors and describe them here, once.
package protocol DiagnosedError: Error, CustomStringConvertible, Sendable {
    var kind: FailureKind { get }
    var diagnosis: Diagnosis { get }
}

extension DiagnosedError {
    package var description: String { diagnosis.line }
}
