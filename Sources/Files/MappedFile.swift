import Diagnostics
import Glibc
import Synchronization

/// A file mapped read-only for as long as this object lives; pages are loaded when they are touched.
package final class MappedFile: @unchecked Sendable {
    package let path: String
    package let bytes: UnsafeRawBufferPointer
    private let file: File
    /// The state of the file when its content was last known to be correct.
    private let stamp: Mutex<File.Stamp>

    /// - Throws: `FileError`.
    package convenience init(_ path: String) throws { try self.init(File.open(path, .read)) }

    /// - Throws: `FileError`.
    package init(_ file: File) throws {
        path = file.path
        self.file = file
        stamp = Mutex(try file.stamp())
        bytes = try file.map()
        MappedRegions.add(bytes, path: path)
    }

    deinit {
        guard let base = bytes.baseAddress else { return }
        MappedRegions.remove(base)
        munmap(UnsafeMutableRawPointer(mutating: base), bytes.count)
    }

    /// Changing a file in place changes what is mapped. The check costs one system call, unless the file was touched.
    /// - Parameter hash: the SHA-256 that its content must have.
    /// - Throws: `FileChanged`, `FileError`.
    package func check(hash: String) throws {
        let now = try file.stamp()
        let before = stamp.withLock { $0 }
        guard now != before else { return }
        guard now.size == before.size else {
            throw FileChanged(path: path, expected: "\(before.size) bytes", found: "\(now.size)")
        }
        let found = Digest.sha256(bytes)
        guard found == hash else { throw FileChanged(path: path, expected: "SHA-256 \(hash)", found: found) }
        stamp.withLock { $0 = now }
    }
}

/// A file that must not change, but did.
package struct FileChanged: DiagnosedError, Equatable {
    package let path: String
    package let expected: String
    package let found: String
    package var kind: FailureKind { .data }
    package var diagnosis: Diagnosis {
        Diagnosis(
            "the file has changed while it was in use", file: path, expected: expected, found: found,
            remedy: "restore it and resume with --resume auto")
    }
}

/// Reading a mapped page that its file has lost, or that the disk cannot deliver, raises SIGBUS. All a handler can do is
/// name the file.
package enum MappedRegions {
    private struct Region {
        var base: UnsafeRawPointer?
        var end: UnsafeRawPointer?
        var path: UnsafeMutablePointer<CChar>?
    }

    private static let capacity = 64
    nonisolated(unsafe) private static let regions: UnsafeMutablePointer<Region> = {
        let regions = UnsafeMutablePointer<Region>.allocate(capacity: capacity)
        regions.initialize(repeating: Region(), count: capacity)
        return regions
    }()
    private static let lock = Mutex(())
    /// The text that the handler writes before and after the path; never freed.
    nonisolated(unsafe) private static var prefix: UnsafeMutablePointer<CChar>?
    nonisolated(unsafe) private static var suffix: UnsafeMutablePointer<CChar>?

    static func add(_ bytes: UnsafeRawBufferPointer, path: String) {
        guard let base = bytes.baseAddress else { return }
        lock.withLock { _ in
            // Beyond the capacity, the message cannot name the file.
            guard let free = (0..<capacity).first(where: { regions[$0].base == nil }) else { return }
            regions[free] = Region(base: base, end: base + bytes.count, path: strdup(path.cBytes))
        }
    }

    static func remove(_ base: UnsafeRawPointer) {
        lock.withLock { _ in
            guard let index = (0..<capacity).first(where: { regions[$0].base == base }) else { return }
            free(regions[index].path)
            regions[index] = Region()
        }
    }

    /// From now on, a fault in a mapped file prints a line on standard error and exits with the code of bad data. The thread needs an
    /// alternate signal stack.
    /// - Parameter speaker: the beginning of the line.
    package static func nameFaults(speaker: String) {
        prefix = strdup("\(speaker): ")
        suffix = strdup(
            ": the file was truncated while it was read, or its disk failed (SIGBUS); restore it and resume with --resume auto\n")
        _ = regions
        var action = sigaction()
        action.__sigaction_handler.sa_sigaction = { number, info, _ in
            let address = info.map { UnsafeRawPointer($0.pointee._sifields._sigfault.si_addr) } ?? nil
            for index in 0..<MappedRegions.capacity {
                guard let address, let base = MappedRegions.regions[index].base, let end = MappedRegions.regions[index].end,
                    // The last page belongs to the file in full.
                    address >= base, address < end + 4096
                else { continue }
                for text in [MappedRegions.prefix, MappedRegions.regions[index].path, MappedRegions.suffix] {
                    if let text { _ = Glibc.write(2, text, strlen(text)) }
                }
                _exit(FailureKind.data.rawValue)
            }
            // Not ours: the fault recurs and ends the process.
            signal(number, SIG_DFL)
        }
        action.sa_flags = SA_ONSTACK | SA_SIGINFO
        sigaction(SIGBUS, &action, nil)
    }
}
