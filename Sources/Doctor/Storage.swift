import Diagnostics
import Files
import Glibc
import Platform

/// Examines the place where a run will be written.
enum Storage {
    /// - Parameter saving: whether to write a file there, as a save does, and remove it.
    static func probe(_ runFolder: String, _ machine: Machine, saving: Bool) -> Facts.Storage {
        var storage = Facts.Storage()
        // The nearest existing folder.
        var folder = runFolder
        while !Folder.isFolder(folder), folder != ".", folder != "/" { folder = Folder.parent(of: folder) }
        if let real = realpath(folder.cBytes, nil) {
            storage.folder = String(cBytes: real)
            free(real)
        } else {
            storage.folder = folder
        }
        storage.fileSystem = machine.fileSystem(of: storage.folder)
        var space = statvfs()
        if statvfs(storage.folder.cBytes, &space) == 0 { storage.free = Int(space.f_bavail) * Int(space.f_frsize) }
        guard saving else { return storage }
        let probe = TemporaryItem(beside: "\(storage.folder)/.lockstep-doctor")
        let name = probe.path
        defer { probe.remove() }
        do {
            let bytes = [UInt8](repeating: 1, count: 1 << 20)
            let start = ContinuousClock.now
            try bytes.withUnsafeBytes { try File.publish($0, at: name) }
            let file = try File.open(name, .append)  // over NFS a lock needs a file that is open for writing
            storage.hasLocks = try file.tryLock() != .missing
            try file.close()
            storage.saveSeconds = (ContinuousClock.now - start) / .seconds(1)
        } catch {
            storage.failure = "\(error)"
        }
        return storage
    }
}
