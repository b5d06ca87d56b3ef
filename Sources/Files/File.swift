import Diagnostics
import Glibc

/// One open file. Every system call is checked, interrupted calls are repeated, and the descriptor is closed once.
package final class File {
    package let path: String
    private var descriptor: Int32

    private init(path: String, descriptor: Int32) {
        self.path = path
        self.descriptor = descriptor
    }

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    package enum Mode: Sendable {
        /// A regular file only: a pipe would wait for its writer, a device may have no end.
        case read
        /// Anything that can be read from first to last. Opening a named pipe waits for its writer.
        case stream
        /// Created or truncated.
        case write
        /// Created if missing; writes go to the end.
        case append
        /// Must not exist yet.
        case createNew
    }

    /// - Throws: `FileError`.
    package static func open(_ path: String, _ mode: Mode) throws -> File {
        let flags: Int32 =
            switch mode {
            case .read: O_RDONLY | O_NONBLOCK  // opening a pipe does not wait
            case .stream: O_RDONLY
            case .write: O_RDWR | O_CREAT | O_TRUNC | O_NONBLOCK
            case .append: O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK
            case .createNew: O_RDWR | O_CREAT | O_EXCL
            }
        // Who may read and write is for the user to say, with umask.
        var descriptor = retrying { Glibc.open(path.cBytes, flags | O_CLOEXEC, 0o666) }
        if descriptor < 0, mode == .append, MissingOperation.codes.contains(errno) {
            descriptor = retrying { Glibc.open(path.cBytes, O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0o666) }
            if descriptor >= 0 { lseek(descriptor, 0, SEEK_END) }
        }
        guard descriptor >= 0 else {
            throw FileError(operation: mode == .read || mode == .stream ? "open" : "create", path: path)
        }
        let file = File(path: path, descriptor: descriptor)
        if mode != .stream { try file.requireRegularFile() }
        if mode == .read { try file.requireContent() }
        return file
    }

    static func standardInput() -> File { File(path: "standard input", descriptor: dup(0)) }

    /// The folder for temporary files: TMPDIR, else /tmp.
    package static var temporaryFolder: String {
        guard let folder = getenv("TMPDIR"), folder.pointee != 0 else { return "/tmp" }
        return String(cBytes: folder)
    }

    /// A file without a name, gone when it is closed, whichever way the process ends.
    /// - Parameters:
    ///   - folder: whose file system holds it.
    ///   - name: what errors call it.
    /// - Throws: `FileError`.
    package static func temporary(in folder: String, named name: String) throws -> File {
        var template = "\(folder)/.lockstep-XXXXXX".cBytes
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw FileError(operation: "create a temporary file in", path: folder) }
        unlink(template)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        return File(path: name, descriptor: descriptor)
    }

    var isTerminal: Bool { isatty(descriptor) == 1 }

    /// Whether reading would not wait: there are bytes, or the end has come.
    var isReadable: Bool {
        var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return retrying { poll(&request, 1, 0) } != 0
    }

    /// Reads up to `buffer.count` bytes; 0 at the end of the file.
    package func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let count = retrying { Glibc.read(descriptor, buffer.baseAddress, buffer.count) }
        guard count >= 0 else { throw FileError(operation: "read", path: path) }
        return count
    }

    /// Fills the whole buffer.
    /// - Throws: `FileError`, also if the file ends first.
    package func readFully(into buffer: UnsafeMutableRawBufferPointer) throws {
        var done = 0
        while done < buffer.count {
            let count = try read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[done...]))
            guard count > 0 else { throw FileError(operation: "read \(buffer.count) bytes of", path: path, code: EIO) }
            done += count
        }
    }

    /// Writes every byte, with as many calls as necessary.
    package func write(_ bytes: UnsafeRawBufferPointer) throws {
        var done = 0
        while done < bytes.count {
            let count = retrying { Glibc.write(descriptor, bytes.baseAddress! + done, bytes.count - done) }
            guard count >= 0 else { throw FileError(operation: "write", path: path) }
            done += count
        }
    }

    package func write(_ text: String) throws {
        var text = text
        try text.withUTF8 { try write(UnsafeRawBufferPointer($0)) }
    }

    /// Sets the position, counted from the start, of the next read or write.
    package func seek(to offset: Int) throws {
        guard lseek(descriptor, off_t(offset), SEEK_SET) >= 0 else { throw FileError(operation: "seek in", path: path) }
    }

    /// Size in bytes.
    package func size() throws -> Int {
        var info = stat()
        guard fstat(descriptor, &info) == 0 else { throw FileError(operation: "examine", path: path) }
        return Int(info.st_size)
    }

    /// Changes whenever the content does.
    struct Stamp: Equatable {
        var size: Int
        var seconds: Int
        var nanoseconds: Int
    }

    func stamp() throws -> Stamp {
        var info = stat()
        guard fstat(descriptor, &info) == 0 else { throw FileError(operation: "examine", path: path) }
        return Stamp(
            size: Int(info.st_size), seconds: Int(info.st_mtim.tv_sec), nanoseconds: Int(info.st_mtim.tv_nsec))
    }

    /// Cuts or extends the file to `size` bytes.
    package func truncate(to size: Int) throws {
        guard retrying({ ftruncate(descriptor, off_t(size)) }) == 0 else {
            throw FileError(operation: "truncate", path: path)
        }
    }

    /// A failed fsync is a failed save: the kernel may have dropped the pages, so it is never retried. A file system that
    /// has no fsync is another matter: see `MissingOperation`.
    package func sync() throws {
        guard fsync(descriptor) != 0 else { return }
        let error = FileError(operation: "fsync", path: path)
        guard MissingOperation.codes.contains(error.code) else { throw error }
        MissingOperation.report(.sync, path: path, code: error.code)
    }

    package func close() throws {
        let open = descriptor
        descriptor = -1
        guard Glibc.close(open) == 0 else { throw FileError(operation: "close", path: path) }
    }

    /// Maps the whole file read-only. An empty file gives an empty buffer. Where files cannot be mapped, the content is
    /// read into memory; `munmap` frees either.
    func map() throws -> UnsafeRawBufferPointer {
        let size = try size()
        guard size > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        for sharing in [MAP_SHARED, MAP_PRIVATE] {
            if let base = mmap(nil, size, PROT_READ, sharing, descriptor, 0), base != MAP_FAILED {
                return UnsafeRawBufferPointer(start: base, count: size)
            }
        }
        let error = FileError(operation: "map", path: path)
        guard error.code == ENODEV || MissingOperation.codes.contains(error.code),
            let base = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), base != MAP_FAILED
        else { throw error }
        MissingOperation.report(.map, path: path, code: error.code)
        do {
            try seek(to: 0)
            try readFully(into: UnsafeMutableRawBufferPointer(start: base, count: size))
        } catch {
            munmap(base, size)
            throw error
        }
        return UnsafeRawBufferPointer(start: base, count: size)
    }

    package enum Lock: Sendable {
        case held, heldByAnother
        /// The file system has no locks; this has been reported.
        case missing
    }

    /// An exclusive advisory lock (`flock`), held until the file is closed.
    /// - Throws: `FileError`.
    package func tryLock() throws -> Lock {
        if retrying({ flock(descriptor, LOCK_EX | LOCK_NB) }) == 0 { return .held }
        if errno == EWOULDBLOCK { return .heldByAnother }
        let error = FileError(operation: "lock", path: path)
        // ENOLCK: NFS without a lock daemon.
        guard error.code == ENOLCK || MissingOperation.codes.contains(error.code) else { throw error }
        MissingOperation.report(.lock, path: path, code: error.code)
        return .missing
    }

    // MARK: What kind of file it is

    private func status() throws -> stat {
        var info = stat()
        guard fstat(descriptor, &info) == 0 else { throw FileError(operation: "examine", path: path) }
        return info
    }

    private func requireRegularFile() throws {
        let kind = try status().st_mode & S_IFMT
        guard kind == S_IFREG else {
            if kind == S_IFDIR { throw FileError(operation: "read", path: path, code: EISDIR) }
            throw FileError(path: path, notAFileBut: Folder.name(ofKind: kind))
        }
        // From here on reading and writing wait as usual: the content may have to come from tape.
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK)
    }

    /// Refuses large files of which hardly anything was ever written: they take minutes or hours to read, and what comes
    /// is zeros.
    private func requireContent() throws {
        let info = try status()
        let size = Int(info.st_size)
        guard size >= 1 << 30, Int(info.st_blocks) * 512 < size / 16 else { return }
        // The number of blocks says nothing on some file systems. The holes do, where they are known.
        var end: off_t = 0
        var written = 0
        for _ in 0..<4096 {
            let start = lseek(descriptor, end, 3)  // SEEK_DATA
            guard start >= 0 else { break }
            end = lseek(descriptor, start, 4)  // SEEK_HOLE
            guard end >= 0 else { return }
            written += Int(end - start)
        }
        try seek(to: 0)
        if written < size / 16 { throw FileError(path: path, bytes: size, written: written) }
    }
}

/// Repeats a call that a signal interrupted.
func retrying<T: SignedInteger>(_ call: () -> T) -> T {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}
