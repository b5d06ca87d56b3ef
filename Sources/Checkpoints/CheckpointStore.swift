import Files
import Glibc

/// The checkpoints of one run: `RUN/checkpoints/step-000001234/` and two small text files, `latest` and `best`, which
/// hold the name of such a folder. They are files and not symbolic links, because files can be replaced atomically
/// and survive copying between machines.
///
/// A checkpoint is written to a hidden folder beside its place, made durable, read back, and only then renamed; the
/// pointers follow. If anything fails before that, the earlier checkpoints and pointers are unchanged.
///
/// Only the holder of the run folder's `RunLock` may save.
package struct CheckpointStore: Sendable {
    package let runFolder: String
    /// How many of the newest checkpoints are kept, in addition to the best.
    package let keep: Int
    /// Receives what the user should know but is not an error.
    let note: @Sendable (String) -> Void

    package init(runFolder: String, keep: Int, note: @escaping @Sendable (String) -> Void) {
        precondition(keep >= 1)
        self.runFolder = runFolder
        self.keep = keep
        self.note = note
    }

    var folder: String { "\(runFolder)/checkpoints" }

    enum Pointer: String, CaseIterable { case latest, best }

    // MARK: Saving

    /// Saves, publishes and prunes. A checkpoint of the same step is replaced. `best` names this one if its manifest says so.
    /// - Returns: the checkpoint's folder.
    /// - Throws: `FileError`, `CheckpointError`. Nothing is left of the attempt, unless the failure occurred after the
    ///   checkpoint was published.
    @discardableResult
    package func save(_ content: CheckpointContent) throws -> String {
        if !Folder.isFolder(folder) {
            try Folder.create(folder)
            try Folder.sync(runFolder)
        }
        let name = Self.name(ofStep: content.manifest.step)
        let target = folder(ofStep: content.manifest.step)
        let temporary = hidden(name)
        do {
            try Folder.remove(temporary)
            try Folder.create(temporary)
            try content.write(to: temporary, sequence: (try newestFirst().first?.sequence ?? 0) + 1)
            _ = try LoadedCheckpoint(folder: temporary)
            if Folder.exists(target) {
                try Folder.exchange(target, temporary)
            } else {
                try Folder.rename(temporary, to: target)
            }
        } catch {
            try? Folder.remove(temporary)
            throw error
        }
        try Folder.sync(folder)
        try File.publish("\(name)\n", at: path(of: .latest))
        try followBest(content.manifest)
        removeLeftovers()
        do {
            try prune()
        } catch {
            note("could not tidy up the checkpoints: \(error)")
        }
        return target
    }

    /// Lets `best` name the best checkpoint on the way to the one of this manifest, if it is here. After a return to an earlier checkpoint
    /// it may name one of the future that was given up, and after a kill between the two pointers one that has been surpassed.
    /// - Throws: `FileError`.
    package func followBest(_ manifest: Manifest) throws {
        guard let best = manifest.best, (try? ManifestFile.read(in: folder(ofStep: best.step)))?.best == best else { return }
        let name = Self.name(ofStep: best.step)
        if (try? pointer(.best)) != name { try File.publish("\(name)\n", at: path(of: .best)) }
    }

    /// Removes all but the newest `keep` and the best. The newest was just read back, so a valid one remains.
    private func prune() throws {
        let best = try pointer(.best)
        for candidate in try newestFirst().dropFirst(keep) where candidate.name != best {
            // Renamed first: a kill during the removal must not leave half a checkpoint under a valid name.
            try Folder.rename("\(folder)/\(candidate.name)", to: hidden(candidate.name))
            try Folder.remove(hidden(candidate.name))
        }
    }

    /// Removes what killed saves have left, and the predecessor of a replaced checkpoint. One that cannot be removed,
    /// because somebody still reads it over NFS, say, is tried again next time.
    package func removeLeftovers() {
        let prefixes = [".step-"] + Pointer.allCases.map { "\($0.rawValue).tmp-" }
        for name in (try? Folder.names(in: folder)) ?? [] where prefixes.contains(where: name.hasPrefix) {
            do {
                try Folder.remove("\(folder)/\(name)")
            } catch {
                note("could not tidy up the checkpoints: \(error)")
            }
        }
    }

    private func hidden(_ name: String) -> String { "\(folder)/.\(name).tmp-\(getpid())" }

    // MARK: Names

    /// Where the checkpoint of a step is saved.
    package func folder(ofStep step: Int) -> String { "\(folder)/\(Self.name(ofStep: step))" }

    static func name(ofStep step: Int) -> String {
        let digits = String(step)
        return "step-" + String(repeating: "0", count: max(0, 9 - digits.count)) + digits
    }

    /// A name of this form cannot lead out of the folder.
    static func step(ofName name: String) -> Int? {
        let digits = name.utf8.dropFirst(5)
        guard name.hasPrefix("step-"), digits.count >= 9, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int(name.dropFirst(5))
    }

    func path(of pointer: Pointer) -> String { "\(folder)/\(pointer.rawValue)" }

    /// The name in a pointer file; nil if there is no such file.
    /// - Throws: `FileError`, `CheckpointError.invalidPointer`.
    func pointer(_ pointer: Pointer) throws -> String? {
        let path = path(of: pointer)
        guard Folder.exists(path) else { return nil }
        guard Folder.isFile(path), let bytes = try? File.contents(of: path, limit: 256) else {
            throw CheckpointError.invalidPointer(path: path)
        }
        let name = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)[0]
        guard Self.step(ofName: String(name)) != nil else { throw CheckpointError.invalidPointer(path: path) }
        return String(name)
    }

    /// A folder with the name of a checkpoint.
    struct Candidate {
        let name: String
        let step: Int
        let manifest: Result<Manifest, any Error>

        /// 0, before all others, if the manifest cannot be read.
        var sequence: Int { (try? manifest.get())?.sequence ?? 0 }
    }

    /// Empty if there is no folder. A folder that cannot be listed must not be taken for an empty one.
    /// - Throws: `FileError`.
    func newestFirst() throws -> [Candidate] {
        guard Folder.exists(folder) else { return [] }
        return try Folder.names(in: folder).compactMap { name in
            guard let step = Self.step(ofName: name) else { return nil }
            let manifest = Result { try ManifestFile.read(in: "\(folder)/\(name)") }
            return Candidate(name: name, step: step, manifest: manifest)
        }.sorted { ($0.sequence, $0.step) > ($1.sequence, $1.step) }
    }
}
