import Diagnostics
import Glibc

/// Checked operations on names in the file system.
package enum Folder {
    package static func exists(_ path: String) -> Bool { access(path.cBytes, F_OK) == 0 }

    package static func isFolder(_ path: String) -> Bool {
        var info = stat()
        return stat(path.cBytes, &info) == 0 && info.st_mode & S_IFMT == S_IFDIR
    }

    /// True only for a regular file: not for a folder, nor for a named pipe, which would wait for a writer when opened.
    /// Without `followingLinks`, a symbolic link is not a regular file either.
    package static func isFile(_ path: String, followingLinks: Bool = true) -> Bool {
        var info = stat()
        let found = followingLinks ? stat(path.cBytes, &info) == 0 : lstat(path.cBytes, &info) == 0
        return found && info.st_mode & S_IFMT == S_IFREG
    }

    /// Creates the folder and those above it; where there is a link to a folder that is missing, that folder.
    package static func create(_ path: String) throws {
        if isFolder(path) { return }
        let path = try followingLinks(withoutSlash(path))
        let parent = parent(of: path)
        if parent != path { try create(parent) }
        guard mkdir(path.cBytes, 0o777) == 0 || errno == EEXIST && isFolder(path) else {
            throw FileError(operation: "create folder", path: path)
        }
    }

    /// What a symbolic link points to.
    package static func target(ofLink path: String) throws -> String {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(path.cBytes, &target, target.count)
        guard count >= 0 else { throw FileError(operation: "read the link", path: path) }
        return String(keeping: target[..<count].map { UInt8(bitPattern: $0) })
    }

    /// Where a chain of links ends, whether or not there is anything; `path` itself when it is no link.
    /// - Throws: `FileError`.
    package static func followingLinks(_ path: String) throws -> String {
        var path = path
        for _ in 0..<40 {
            var info = stat()
            guard lstat(path.cBytes, &info) == 0, info.st_mode & S_IFMT == S_IFLNK else { return path }
            let target = try target(ofLink: path)
            path = target.hasPrefix("/") ? target : "\(parent(of: path))/\(target)"
        }
        throw FileError(operation: "follow the links from", path: path, code: ELOOP)
    }

    /// For messages, with its article.
    static func name(ofKind kind: mode_t) -> String {
        switch kind {
        case S_IFDIR: "a folder"
        case S_IFIFO: "a pipe"
        case S_IFSOCK: "a socket"
        case S_IFCHR, S_IFBLK: "a device"
        default: "something else"
        }
    }

    /// Checks, without trying, that `create` would succeed and that files could be created there.
    /// - Throws: `FileError`.
    package static func checkCreation(_ path: String) throws {
        var place = path
        while !exists(place), parent(of: place) != place { place = parent(of: place) }
        guard isFolder(place) else { throw FileError(operation: "create folder", path: path, code: ENOTDIR) }
        guard access(place.cBytes, W_OK | X_OK) == 0 else { throw FileError(operation: "write to folder", path: place) }
    }

    /// `runs/first` for `runs/first/`, as a shell completes it.
    package static func withoutSlash(_ path: String) -> String {
        var path = path
        while path.count > 1, path.last == "/" { path.removeLast() }
        return path
    }

    /// The folder that holds `path`: "." for a bare name.
    package static func parent(of path: String) -> String {
        let trimmed = withoutSlash(path)
        guard let slash = trimmed.lastIndex(of: "/") else { return "." }
        return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
    }

    package static func isWritable(_ path: String) -> Bool { access(path.cBytes, W_OK | X_OK) == 0 }

    package static func areOnOneFileSystem(_ first: String, _ second: String) -> Bool {
        var (one, two) = (stat(), stat())
        return stat(first.cBytes, &one) == 0 && stat(second.cBytes, &two) == 0 && one.st_dev == two.st_dev
    }

    /// Runs `body` while no other process does so for this folder; where folders cannot be locked, at once.
    package static func withLock<Result>(on path: String, _ body: () throws -> Result) rethrows -> Result {
        let descriptor = open(path.cBytes, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { if descriptor >= 0 { close(descriptor) } }
        if descriptor >= 0 { _ = retrying { flock(descriptor, LOCK_EX) } }
        return try body()
    }

    /// "first" for `runs/first/`.
    static func lastName(of path: String) -> String {
        withoutSlash(path).split(separator: "/").last.map(String.init) ?? ""
    }

    /// Seconds since 1970 of the last change to a file, or to a folder and what is directly in it; nil when it is missing.
    static func lastChange(in path: String) -> Int? {
        var info = stat()
        guard lstat(path.cBytes, &info) == 0 else { return nil }
        let own = Int(info.st_mtim.tv_sec)
        guard info.st_mode & S_IFMT == S_IFDIR else { return own }
        return ((try? names(in: path)) ?? []).reduce(own) { latest, name in
            lstat("\(path)/\(name)", &info) == 0 ? max(latest, Int(info.st_mtim.tv_sec)) : latest
        }
    }

    /// Names in a folder, sorted, without "." and "..".
    package static func names(in path: String) throws -> [String] {
        guard let folder = opendir(path.cBytes) else { throw FileError(operation: "list", path: path) }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cBytes: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Makes the names in a folder durable, where the file system can: many that are no POSIX file systems below refuse to
    /// open a folder, or to fsync one, in one of several ways (see `MissingOperation`).
    package static func sync(_ path: String) throws {
        let refusals = MissingOperation.codes.union([EBADF, EACCES, EPERM, EISDIR, EROFS])
        let descriptor = open(path.cBytes, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { if descriptor >= 0 { close(descriptor) } }
        if descriptor >= 0, fsync(descriptor) == 0 { return }
        let error = FileError(operation: descriptor < 0 ? "open" : "fsync", path: path)
        guard refusals.contains(error.code) else { throw error }
        MissingOperation.report(.sync, path: path, code: error.code)
    }

    /// Atomic within one file system.
    package static func rename(_ old: String, to new: String) throws {
        guard Glibc.rename(old.cBytes, new.cBytes) == 0 else { throw FileError(operation: "rename to \(new)", path: old) }
    }

    /// Swaps two names in one file system atomically (`renameat2` with `RENAME_EXCHANGE`). File systems
    /// that cannot do this, such as NFS, get three renames, during which `first` briefly does not exist.
    package static func exchange(_ first: String, _ second: String) throws {
        // glibc declares it only to programs that define _GNU_SOURCE, which Swift's Glibc module does not.
        typealias Rename = @convention(c) (CInt, UnsafePointer<CChar>, CInt, UnsafePointer<CChar>, CUnsignedInt) -> CInt
        let exchange: CUnsignedInt = 2  // RENAME_EXCHANGE
        if let symbol = dlsym(nil, "renameat2") {
            if unsafeBitCast(symbol, to: Rename.self)(AT_FDCWD, first.cBytes, AT_FDCWD, second.cBytes, exchange) == 0 { return }
            guard MissingOperation.codes.contains(errno) else { throw FileError(operation: "exchange with \(second)", path: first) }
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

    /// Removes a file, or a folder with all its content. Symbolic links are removed, not followed. It need not exist.
    package static func remove(_ path: String) throws {
        var info = stat()
        guard lstat(path.cBytes, &info) == 0 else {
            if errno == ENOENT { return }
            throw FileError(operation: "remove", path: path)
        }
        if info.st_mode & S_IFMT == S_IFDIR {
            for name in try names(in: path) { try remove("\(path)/\(name)") }
            guard rmdir(path.cBytes) == 0 else { throw FileError(operation: "remove", path: path) }
        } else {
            guard unlink(path.cBytes) == 0 else { throw FileError(operation: "remove", path: path) }
        }
    }
}
