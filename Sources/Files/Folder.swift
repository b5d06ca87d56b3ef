import Glibc

/// Operations on names in the file system, each checked.
public enum Folder {
    public static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    public static func isFolder(_ path: String) -> Bool {
        var info = stat()
        return stat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFDIR
    }

    /// True for a regular file only: not for a folder, nor for a named pipe, whose opening would wait for a writer.
    /// Without `followingLinks` a symbolic link is no regular file either.
    public static func isFile(_ path: String, followingLinks: Bool = true) -> Bool {
        var info = stat()
        let found = followingLinks ? stat(path, &info) == 0 : lstat(path, &info) == 0
        return found && info.st_mode & S_IFMT == S_IFREG
    }

    /// Creates the folder and those above it.
    public static func create(_ path: String) throws {
        if isFolder(path) { return }
        let parent = parent(of: path)
        if parent != path { try create(parent) }
        guard mkdir(path, 0o755) == 0 || errno == EEXIST && isFolder(path) else {
            throw FileError(operation: "create folder", path: path)
        }
    }

    /// What a symbolic link points to.
    public static func target(ofLink path: String) throws -> String {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(path, &target, target.count)
        guard count >= 0 else { throw FileError(operation: "read the link", path: path) }
        return String(decoding: target[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Whether `create` would succeed, as far as can be told without trying, and files could be made there.
    /// - Throws: `FileError`.
    public static func checkCreation(_ path: String) throws {
        var place = path
        while !exists(place), parent(of: place) != place { place = parent(of: place) }
        guard isFolder(place) else { throw FileError(operation: "create folder", path: path, code: ENOTDIR) }
        guard access(place, W_OK | X_OK) == 0 else { throw FileError(operation: "write to folder", path: place) }
    }

    /// `runs/first` for `runs/first/`, as a shell completes it.
    public static func withoutSlash(_ path: String) -> String {
        var path = path
        while path.count > 1, path.last == "/" { path.removeLast() }
        return path
    }

    /// The folder that holds `path`: "." for a bare name.
    public static func parent(of path: String) -> String {
        let trimmed = withoutSlash(path)
        guard let slash = trimmed.lastIndex(of: "/") else { return "." }
        return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
    }

    /// Names in a folder, sorted, without "." and "..".
    public static func names(in path: String) throws -> [String] {
        guard let folder = opendir(path) else { throw FileError(operation: "list", path: path) }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Makes the names in a folder durable.
    public static func sync(_ path: String) throws {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(operation: "open", path: path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw FileError(operation: "fsync", path: path) }
    }

    /// Atomic within one file system.
    public static func rename(_ old: String, to new: String) throws {
        guard Glibc.rename(old, new) == 0 else { throw FileError(operation: "rename to \(new)", path: old) }
    }

    /// Swaps what two names in one file system stand for, atomically (`renameat2` with `RENAME_EXCHANGE`). File systems
    /// that cannot, such as NFS, get three renames, in the midst of which `first` does not exist.
    public static func exchange(_ first: String, _ second: String) throws {
        // glibc declares it only to programs that define _GNU_SOURCE, which Swift's Glibc module does not.
        typealias Rename = @convention(c) (CInt, UnsafePointer<CChar>, CInt, UnsafePointer<CChar>, CUnsignedInt) -> CInt
        let exchange: CUnsignedInt = 2  // RENAME_EXCHANGE
        if let symbol = dlsym(nil, "renameat2") {
            if unsafeBitCast(symbol, to: Rename.self)(AT_FDCWD, first, AT_FDCWD, second, exchange) == 0 { return }
            guard errno == EINVAL || errno == ENOSYS else { throw FileError(operation: "exchange with \(second)", path: first) }
        }
        let aside = "\(second).aside"
        try rename(first, to: aside)
        do {
            try rename(second, to: first)
        } catch {
            try rename(aside, to: first)
            throw error
        }
        try rename(aside, to: second)
    }

    /// Removes a file, or a folder with all it holds. Symbolic links are removed, not followed. Missing is fine.
    public static func remove(_ path: String) throws {
        var info = stat()
        guard lstat(path, &info) == 0 else {
            if errno == ENOENT { return }
            throw FileError(operation: "remove", path: path)
        }
        if info.st_mode & S_IFMT == S_IFDIR {
            for name in try names(in: path) { try remove("\(path)/\(name)") }
            guard rmdir(path) == 0 else { throw FileError(operation: "remove", path: path) }
        } else {
            guard unlink(path) == 0 else { throw FileError(operation: "remove", path: path) }
        }
    }
}

extension File {
    /// Publishes a small file whole: temporary file beside it, fsync, rename, fsync of the folder. Readers see the
    /// old content or the new, never part of either.
    /// - Throws: `FileError`; the temporary file is then gone and the old content untouched.
    public static func publish(_ bytes: UnsafeRawBufferPointer, at path: String) throws {
        let temporary = "\(path).tmp-\(getpid())"
        do {
            let file = try File.open(temporary, .write)
            try file.write(bytes)
            try file.sync()
            try file.close()
            try Folder.rename(temporary, to: path)
        } catch {
            unlink(temporary)
            throw error
        }
        try Folder.sync(Folder.parent(of: path))
    }

    public static func publish(_ text: String, at path: String) throws {
        var text = text
        try text.withUTF8 { try publish(UnsafeRawBufferPointer($0), at: path) }
    }

    /// The whole of a small file. Refuses more than `limit` bytes, so that a hostile file cannot fill the memory.
    public static func contents(of path: String, limit: Int = 1 << 30) throws -> [UInt8] {
        let file = try File.open(path, .read)
        let size = try file.size()
        guard size <= limit else { throw FileError(operation: "read \(size) bytes (limit \(limit)) of", path: path, code: EFBIG) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: max(4096, min(size + 1, 1 << 20)))
        while true {
            let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0) }
            if count == 0 { return bytes }
            // A device or a growing file has more than its size says.
            guard bytes.count + count <= limit else {
                throw FileError(operation: "read more than \(limit) bytes of", path: path, code: EFBIG)
            }
            bytes.append(contentsOf: buffer[..<count])
        }
    }
}
