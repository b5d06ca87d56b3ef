import Diagnostics
import Files
import Glibc

/// A folder that appears whole or not at all: filled under a temporary name beside its target, then renamed.
struct StagedFolder {
    let target: String
    /// Where to write until `publish`.
    let path: String

    /// Refuses at once what could not be published later.
    /// - Parameter replacing: whether a dataset already there may be replaced.
    /// - Throws: `FileError`, `PrepareError`.
    init(for target: String, replacing: Bool) throws {
        let target = Folder.withoutSlash(target)
        self.target = target
        path = "\(target).tmp-\(getpid())"
        if Folder.exists(target) {
            let names = try Folder.names(in: target)  // fails for a file
            if !names.isEmpty {
                guard names.contains(DatasetManifest.fileName) else {
                    throw PrepareError.outputNotEmpty(folder: target)
                }
                if let stranger = names.first(where: { !DatasetManifest.fileNames.contains($0) }) {
                    throw PrepareError.outputHasOtherFiles(folder: target, name: stranger)
                }
                guard replacing else { throw PrepareError.outputExists(folder: target) }
            }
        }
        if Folder.exists(path) { try Folder.remove(path) }
        try Folder.create(path)
    }

    /// Makes the files durable and gives the folder its name. A folder replaced is first renamed aside: a crash
    /// between the two renames leaves both, complete, under their temporary names.
    func publish() throws {
        try Folder.sync(path)
        let former = "\(target).old-\(getpid())"
        let replaces = Folder.exists("\(target)/\(DatasetManifest.fileName)")
        if replaces { try Folder.rename(target, to: former) }
        try Folder.rename(path, to: target)
        try Folder.sync(Folder.parent(of: target))
        if replaces { try Folder.remove(former) }
    }

    func discard() { try? Folder.remove(path) }
}
