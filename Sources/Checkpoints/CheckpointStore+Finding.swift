import Files

extension CheckpointStore {
    /// The newest usable checkpoint, verified; nil if the run has none yet. If it is not the checkpoint that
    /// `latest` names, a note says why.
    /// - Parameter use: what the caller does with it, for the note.
    /// - Throws: `CheckpointError.noneUsable` if there are checkpoints, or should be, but all are damaged.
    package func latest(_ use: String = "resuming from") throws -> LoadedCheckpoint? {
        let candidates = try newestFirst()
        var doubts: [String] = []
        do {
            switch try pointer(.latest) {
            case candidates.first?.name: break
            case nil: doubts.append("there is no file 'latest'")
            case let name? where !candidates.contains { $0.name == name }:
                doubts.append("'latest' names \(name), which does not exist")
            case let name?: doubts.append("'latest' names \(name), which is not the newest valid one")
            }
        } catch {
            doubts.append("\(error)")
        }
        for candidate in candidates {
            do {
                let checkpoint = try LoadedCheckpoint(folder: "\(folder)/\(candidate.name)")
                for case .failure(let error) in candidates.map(\.manifest) { doubts.append("\(error)") }
                if !doubts.isEmpty { note("\(use) \(candidate.name): \(doubts.joined(separator: " | "))") }
                return checkpoint
            } catch {
                // The job that trains has pruned it meanwhile: there is a newer one.
                if try isGone(candidate) { return try latest(use) }
                doubts.append("\(error)")
            }
        }
        if doubts.isEmpty { return nil }
        throw CheckpointError.noneUsable(folder: folder, reasons: doubts)
    }

    private func isGone(_ candidate: Candidate) throws -> Bool { try !Folder.names(in: folder).contains(candidate.name) }

    /// The checkpoint with the lowest validation loss, verified; nil if `best` names none.
    /// - Throws: `CheckpointError`, `SafetensorsError`, `FileError`.
    package func best() throws -> LoadedCheckpoint? {
        try pointer(.best).map { try LoadedCheckpoint(folder: "\(folder)/\($0)") }
    }

    /// The checkpoint that `--checkpoint PATH` means: PATH itself if it is a checkpoint folder; for a run folder its best
    /// checkpoint, else the latest.
    /// - Throws: `CheckpointError`, `SafetensorsError`, `FileError`.
    package static func resolve(_ path: String, note: @escaping @Sendable (String) -> Void) throws -> LoadedCheckpoint {
        guard Folder.exists(path) else { throw FileError(operation: "open", path: path) }
        let store = CheckpointStore(runFolder: path, keep: 1, note: note)
        guard Folder.isFolder(store.folder) else { return try LoadedCheckpoint(folder: path) }
        do {
            if let best = try store.best() { return best }
        } catch {
            note("the newest valid checkpoint takes the place of the best: \(error)")
        }
        guard let latest = try store.latest("using") else { throw CheckpointError.noCheckpointYet(folder: path) }
        return latest
    }

    /// One line of a run's list of checkpoints.
    package struct Entry: Sendable {
        package let name: String
        package let step: Int
        package let isLatest: Bool
        package let isBest: Bool
        /// The reason if it cannot be used.
        package let checkpoint: Result<LoadedCheckpoint, any Error>
    }

    /// All checkpoints, each verified, by step; without what a job that trains prunes meanwhile.
    /// - Throws: `FileError`.
    package func list() throws -> [Entry] {
        let latest = try? pointer(.latest)
        let best = try? pointer(.best)
        return try newestFirst().sorted { $0.step < $1.step }.compactMap { candidate in
            let checkpoint = Result { try LoadedCheckpoint(folder: "\(folder)/\(candidate.name)") }
            if case .failure = checkpoint, try isGone(candidate) { return nil }
            return Entry(
                name: candidate.name, step: candidate.step, isLatest: candidate.name == latest,
                isBest: candidate.name == best, checkpoint: checkpoint)
        }
    }
}
