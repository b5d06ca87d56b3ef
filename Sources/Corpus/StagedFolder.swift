import Diagnostics
import Files
import Glibc

/// A dataset folder that appears completely or not at all: filled under a temporary name, then renamed. Any number of processes
/// may prepare the same folder at once; one of them provides its content.
struct StagedFolder {
    let target: String
    private let item: TemporaryItem
    /// Whether an existing dataset may be replaced.
    private let replacing: Bool

    /// Where to write until `publish`.
    var path: String { item.path }

    /// Refuses immediately if the folder could not be published later.
    /// - Parameters:
    ///   - target: may be a link to the folder, or an empty folder.
    ///   - isShared: whether other processes may be preparing the same dataset: one already there is then no error before
    ///     it is known to be another one.
    /// - Throws: `FileError`, `PrepareError`.
    init(for target: String, replacing: Bool, isShared: Bool = false) throws {
        let target = try Folder.followingLinks(Folder.withoutSlash(target))
        self.target = target
        self.replacing = replacing
        TemporaryItem.removeLeftovers(of: StagedFolder.inside(target))
        let isThere = try StagedFolder.checkContent(of: target)
        if isThere, !replacing, !isShared { throw PrepareError.outputExists(folder: target) }
        let parent = Folder.parent(of: target)
        // A folder that is a disk of its own, or whose parent is another user's, is filled from inside.
        let isBeside = !Folder.exists(target) || Folder.isWritable(parent) && Folder.areOnOneFileSystem(target, parent)
        if isBeside { try Folder.create(parent) }
        item = TemporaryItem(beside: isBeside ? target : StagedFolder.inside(target))
        do {
            try Folder.create(path)
        } catch {
            item.remove()
            throw error
        }
    }

    /// Makes the files durable and gives the folder its name. A dataset that is replaced gives way at the same moment.
    /// - Throws: `FileError`, `PrepareError`.
    func publish() throws {
        defer { discard() }
        try Folder.sync(path)
        if Folder.parent(of: path) == target {
            try Folder.withLock(on: target) { try item.undisturbed(moveFiles) }
            try Folder.sync(target)
        } else {
            try item.undisturbed(takeName)
            try Folder.sync(Folder.parent(of: target))
        }
    }

    func discard() { item.remove() }

    private func takeName() throws {
        while true {
            if try StagedFolder.checkContent(of: target) {
                if try isNeeded() { try Folder.exchange(path, target) }
                return
            }
            do {
                return try Folder.rename(path, to: target)
            } catch let error as FileError where error.code == ENOTEMPTY || error.code == EEXIST {
                // Another process was faster.
            }
        }
    }

    private func moveFiles() throws {
        if try StagedFolder.checkContent(of: target) {
            guard try isNeeded() else { return }
            // Without it, the folder is not a dataset, whatever else it contains.
            try Folder.remove("\(target)/\(DatasetManifest.fileName)")
            for name in DatasetManifest.fileNames { try Folder.remove("\(target)/\(name)") }
        }
        for name in try Folder.names(in: path) where name != DatasetManifest.fileName {
            try Folder.rename("\(path)/\(name)", to: "\(target)/\(name)")
        }
        try Folder.sync(target)
        try Folder.rename("\(path)/\(DatasetManifest.fileName)", to: "\(target)/\(DatasetManifest.fileName)")
    }

    /// Whether the existing dataset must be replaced: always if that is permitted, because it may be damaged.
    /// - Throws: `PrepareError.outputExists` if it must not be replaced and is a different one.
    private func isNeeded() throws -> Bool {
        if replacing { return true }
        let name = DatasetManifest.fileName
        // It contains the checksums of all other files.
        guard try File.contents(of: "\(target)/\(name)") == File.contents(of: "\(path)/\(name)") else {
            throw PrepareError.outputExists(folder: target)
        }
        return false
    }

    private static func inside(_ target: String) -> String { "\(target)/.dataset" }

    /// - Returns: whether there is a dataset and nothing else; false for a folder that is empty or missing.
    /// - Throws: `FileError`, `PrepareError`.
    private static func checkContent(of target: String) throws -> Bool {
        guard Folder.exists(target) else { return false }
        let names = try Folder.names(in: target)  // fails for a file
            .filter { !TemporaryItem.isOne($0) && $0 != "lost+found" }
        if names.isEmpty { return false }
        guard names.contains(DatasetManifest.fileName) else { throw PrepareError.outputNotEmpty(folder: target) }
        if let stranger = names.first(where: { !DatasetManifest.fileNames.contains($0) }) {
            throw PrepareError.outputHasOtherFiles(folder: target, name: stranger)
        }
        return true
    }
}
