import Diagnostics

extension Communicator {
    /// Runs `body` on every rank and returns only if it succeeded on all of them: a file missing on one host stops
    /// every rank with one message, instead of leaving the others in a call that never completes.
    ///
    /// Collective. `body` may make collective calls only where its failures are the same on all ranks, as those of
    /// `together` and `agree` are.
    /// - Parameter phase: what is being done, as in "opening the dataset".
    /// - Throws: `CollectiveFailure.failed`, equal on every rank; or the transport's own error.
    package func together<T>(_ phase: String, _ body: () throws -> T) throws -> T {
        let outcome = Result { try body() }
        let reports = try allGather(outcome.report)
        guard reports.contains(where: { !$0.isEmpty }) else { return try outcome.get() }
        let failed = reports.enumerated().filter { !$0.element.isEmpty }
        throw CollectiveFailure.failed(
            phase: phase,
            kind: FailureKind(rawValue: Int32(failed[0].element[0])) ?? .internal,
            voices: voices(failed.map { (rank: $0.offset, bytes: $0.element.dropFirst()) }),
            size: size)
    }

    /// Checks that every rank holds the same `value`: a setting, or the hash of something longer.
    ///
    /// Collective.
    /// - Parameters:
    ///   - name: what the value is, as in "the dataset's SHA-256".
    ///   - kind: who has to act on a disagreement.
    /// - Throws: `CollectiveFailure.disagreement`, equal on every rank; or the transport's own error.
    package func agree(on value: String, named name: String, kind: FailureKind = .usage) throws {
        let values = try allGather(Array(value.utf8))
        let voices = voices(values.enumerated().map { (rank: $0.offset, bytes: $0.element[...]) })
        guard voices.count == 1 else { throw CollectiveFailure.disagreement(name: name, kind: kind, voices: voices) }
    }

    /// As above for a list of names and values; the error names the first value that differs.
    ///
    /// Collective.
    /// - Throws: `CollectiveFailure.disagreement`, equal on every rank; or the transport's own error.
    package func agree(on values: [(name: String, value: String)], kind: FailureKind = .usage) throws {
        // No name or value holds a line feed or a zero byte, unless escaped as here.
        let lines = values.map { "\($0.name)\0\($0.value.unicodeScalars.map { $0 == "\n" ? "\\n" : String($0) }.joined())" }.joined(separator: "\n")
        let all = try allGather(Array(lines.utf8))
        guard all.contains(where: { $0 != all[0] }) else { return }
        let tables = all.map { bytes in
            bytes.split(separator: UInt8(ascii: "\n")).map { $0.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false) }
        }
        for (index, entry) in tables[0].enumerated() {
            let others = tables.map { index < $0.count ? $0[index] : [] }
            guard others.contains(where: { $0 != entry }) else { continue }
            throw CollectiveFailure.disagreement(
                name: String(decoding: entry[0], as: UTF8.self), kind: kind,
                voices: voices(others.enumerated().map { (rank: $0.offset, bytes: $0.element.last ?? []) }))
        }
        // All values of rank 0 agree, but others have more: a different program.
        throw CollectiveFailure.disagreement(
            name: "the list of settings", kind: kind,
            voices: voices(tables.enumerated().map { (rank: $0.offset, bytes: Array("\($0.element.count) settings".utf8)[...]) }))
    }
}

/// The same error on every rank, about a difference between ranks.
package enum CollectiveFailure: DiagnosedError, Equatable {
    /// At least one of `size` ranks failed in `phase`; the kind is that of the lowest.
    case failed(phase: String, kind: FailureKind, voices: [Voice], size: Int)
    /// The ranks have different values of something that must be the same everywhere.
    case disagreement(name: String, kind: FailureKind, voices: [Voice])

    /// The ranks, in ascending order, that said the same.
    package struct Voice: Sendable, Equatable {
        package var text: String
        package var ranks: [Int]
    }

    package var kind: FailureKind {
        switch self {
        case .failed(_, let kind, _, _), .disagreement(_, let kind, _): kind
        }
    }

    package var diagnosis: Diagnosis {
        switch self {
        case .failed(_, _, let voices, let size) where voices.count == 1 && voices[0].ranks.count == size:
            Diagnosis(voices[0].text)
        case .failed(let phase, _, let voices, _):
            Diagnosis(voices.map { "\(list($0.ranks)): \($0.text)" }.joined(separator: " | "), location: phase)
        case .disagreement(let name, _, let voices):
            Diagnosis(
                "the ranks disagree on \(name)",
                found: voices.map { "'\($0.text)' on \(list($0.ranks))" }.joined(separator: ", "),
                remedy: "start every rank with the same program, configuration and data")
        }
    }
}

extension Result {
    /// Empty for success; else one byte of failure kind and the error's line in UTF-8.
    fileprivate var report: [UInt8] {
        guard case .failure(let error) = self else { return [] }
        let kind = (error as? any DiagnosedError)?.kind ?? .internal
        return [UInt8(kind.rawValue)] + String(describing: error).utf8
    }
}

/// Merges equal statements, in the order of the lowest rank that made them.
private func voices(_ statements: [(rank: Int, bytes: ArraySlice<UInt8>)]) -> [CollectiveFailure.Voice] {
    var voices: [CollectiveFailure.Voice] = []
    var places: [ArraySlice<UInt8>: Int] = [:]
    for (rank, bytes) in statements {
        if let place = places[bytes] {
            voices[place].ranks.append(rank)
        } else {
            places[bytes] = voices.count
            voices.append(.init(text: String(decoding: bytes, as: UTF8.self), ranks: [rank]))
        }
    }
    return voices
}

/// "rank 2", "ranks 0-3, 5".
private func list(_ ranks: [Int]) -> String {
    var runs: [ClosedRange<Int>] = []
    for rank in ranks {
        if let last = runs.last, last.upperBound == rank - 1 {
            runs[runs.count - 1] = last.lowerBound...rank
        } else {
            runs.append(rank...rank)
        }
    }
    let text = runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
    return (ranks.count == 1 ? "rank " : "ranks ") + text.joined(separator: ", ")
}
