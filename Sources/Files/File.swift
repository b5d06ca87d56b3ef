import Diagnostics
import Glibc

/// One open file. Every system call is checked, interrupted calls are repeated, and the descriptor is closed once.
public final class File {
    public let path: String
    private var descriptor: Int32

    private init(path: String, descriptor: Int32) {
        self.path = path
        self.descriptor = descriptor
    }

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    public enum Mode: Sendable {
        case read
        /// Created or truncated.
        case write
        /// Created if missing; writes go to the end.
        case append
        /// Must not exist yet.
        case createNew
    }

    /// - Throws: `FileError`.
    public static func open(_ path: String, _ mode: Mode) throws -> File {
        let flags: Int32 =
            switch mode {
            case .read: O_RDONLY
            case .write: O_RDWR | O_CREAT | O_TRUNC
            case .append: O_WRONLY | O_CREAT | O_APPEND
            case .createNew: O_RDWR | O_CREAT | O_EXCL
            }
        let descriptor = retrying { Glibc.open(path, flags | O_CLOEXEC, 0o644) }
        guard descriptor >= 0 else {
            throw FileError(operation: mode == .read ? "open" : "create", path: path)
        }
        return File(path: path, descriptor: descriptor)
    }

    static func standardInput() -> File { File(path: "standard input", descriptor: dup(0)) }

    /// Whether reading would not wait: there are bytes, or the end has come.
    var isReadable: Bool {
        var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return retrying { poll(&request, 1, 0) } != 0
    }

    /// Reads up to `buffer.count` bytes; 0 at the end of the file.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let count = retrying { Glibc.read(descriptor, buffer.baseAddress, buffer.count) }
        guard count >= 0 else { throw FileError(operation: "read", path: path) }
        return count
    }

    /// Fills the whole buffer.
    /// - Throws: `FileError`, also when the file ends before.
    public func readFully(into buffer: UnsafeMutableRawBufferPointer) throws {
        var done = 0
        while done < buffer.count {
            let count = try read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[done...]))
            guard count > 0 else { throw FileError(operation: "read \(buffer.count) bytes of", path: path, code: EIO) }
            done += count
        }
    }

    /// Writes every byte, however many calls it takes.
    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        var done = 0
        while done < bytes.count {
            let count = retrying { Glibc.write(descriptor, bytes.baseAddress! + done, bytes.count - done) }
            guard count >= 0 else { throw FileError(operation: "write", path: path) }
            done += count
        }
    }

    public func write(_ text: String) throws {
        var text = text
        try text.withUTF8 { try write(UnsafeRawBufferPointer($0)) }
    }

    /// Moves the position, counted from the start, for the next read or write.
    public func seek(to offset: Int) throws {
        guard lseek(descriptor, off_t(offset), SEEK_SET) >= 0 else { throw FileError(operation: "seek in", path: path) }
    }

    /// Size in bytes.
    public func size() throws -> Int {
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
    public func truncate(to size: Int) throws {
        guard retrying({ ftruncate(descriptor, off_t(size)) }) == 0 else {
            throw FileError(operation: "truncate", path: path)
        }
    }

    /// A failed fsync is a failed save: the kernel may have dropped the pages, so it is never retried.
    public func sync() throws {
        guard fsync(descriptor) == 0 else { throw FileError(operation: "fsync", path: path) }
    }

    public func close() throws {
        let open = descriptor
        descriptor = -1
        guard Glibc.close(open) == 0 else { throw FileError(operation: "close", path: path) }
    }

    /// Maps the whole file read-only. An empty file gives an empty buffer.
    func map() throws -> UnsafeRawBufferPointer {
        let size = try size()
        guard size > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        let base = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0)
        guard let base, base != MAP_FAILED else { throw FileError(operation: "map", path: path) }
        return UnsafeRawBufferPointer(start: base, count: size)
    }

    /// An exclusive advisory lock (`flock`), held until the file is closed; false when another process holds it.
    public func tryLock() throws -> Bool {
        if retrying({ flock(descriptor, LOCK_EX | LOCK_NB) }) == 0 { return true }
        guard errno == EWOULDBLOCK else { throw FileError(operation: "lock", path: path) }
        return false
    }
}

/// Repeats a call that a signal interrupted.
func retrying<T: SignedInteger>(_ call: () -> T) -> T {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}
