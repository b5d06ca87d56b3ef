import Diagnostics
import Files
import Glibc

/// Exclusive use of a run folder, held as long as this object lives; the operating system frees it when the process
/// ends, however it ends. `RUN/.lock` names the holder. On a file system without locks nobody is kept out, and the user
/// is told so (`MissingOperation`).
package final class RunLock {
    private let file: File

    /// - Throws: `CheckpointError.inUse`, `FileError`.
    package init(runFolder: String) throws {
        let path = "\(runFolder)/.lock"
        file = try File.open(path, .append)
        guard try file.tryLock() != .heldByAnother else {
            let holder = (try? File.contents(of: path, limit: 4096)) ?? []
            let text = String(decoding: holder.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
            throw CheckpointError.inUse(folder: runFolder, holder: text.isEmpty ? "unknown" : text)
        }
        // Only for the message above: not every file system can cut a file.
        try? file.truncate(to: 0)
        try file.write("\(getpid()) on \(Host.name)\n")
    }
}
