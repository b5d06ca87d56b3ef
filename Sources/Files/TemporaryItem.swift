import Diagnostics
import Glibc
import Synchronization

/// A file or folder under a temporary name, `NAME.tmp-PROCESS-HOST`, until it is renamed or removed. It never remains:
/// a signal that ends the process removes it first (`removeOnSignals`), and what a killed process leaves is removed when the next
/// item for the same name is created.
package struct TemporaryItem: Sendable {
    /// Does not create anything yet.
    package let path: String

    /// - Parameter target: the name that the item will get.
    package init(beside target: String) {
        TemporaryItem.removeLeftovers(of: target)
        self.init(path: "\(target)\(TemporaryItem.mark)\(getpid())-\(Host.name)")
        try? Folder.remove(path)
    }

    /// An item at exactly this path.
    package init(path: String) {
        self.path = path
        TemporaryItem.items.withLock { _ = $0.insert(path) }
    }

    /// Runs what no signal may interrupt, such as giving the item its name.
    package func undisturbed<Result>(_ body: () throws -> Result) rethrows -> Result {
        try TemporaryItem.items.withLock { _ in try body() }
    }

    /// Removes whatever is at `path`.
    package func remove() {
        TemporaryItem.items.withLock { items in
            try? Folder.remove(path)
            items.remove(path)
        }
    }

    /// Whether a file of this name may be somebody's temporary item.
    package static func isOne(_ name: String) -> Bool { name.contains(mark) }

    // MARK: Items of dead processes

    static let mark = ".tmp-"

    /// Removes the temporary items of that name whose process has ended, as far as permissions allow.
    package static func removeLeftovers(of target: String) {
        removeLeftovers(in: Folder.parent(of: target), prefix: Folder.lastName(of: target) + mark)
    }

    /// - Parameter prefix: the prefix of the names to check.
    package static func removeLeftovers(in folder: String, prefix: String = "") {
        let names = (try? Folder.names(in: folder)) ?? []
        for name in names where name.hasPrefix(prefix) && isLeftover(name, in: folder) {
            try? Folder.remove("\(folder)/\(name)")
        }
    }

    /// Processes on other machines are not visible. But an active process writes; after a day without writing it is dead.
    private static func isLeftover(_ name: String, in folder: String) -> Bool {
        guard let mark = name.ranges(of: mark).last else { return false }
        let parts = name[mark.upperBound...].split(separator: "-", maxSplits: 1)
        guard let process = parts.first.flatMap({ pid_t($0) }), process > 0 else { return false }
        if parts.count == 2, parts[1] == Host.name { return kill(process, 0) != 0 && errno == ESRCH }
        return Folder.lastChange(in: "\(folder)/\(name)").map { time(nil) - $0 > 24 * 3600 } ?? false
    }

    // MARK: Signals

    private static let items = Mutex<Set<String>>([])
    nonisolated(unsafe) private static var signalled: Int32 = -1

    /// From now on, a signal that would end the process at once removes the items first. Not for programs with handlers of
    /// their own.
    package static func removeOnSignals() {
        var ends: [Int32] = [0, 0]
        guard signalled < 0, pipe(&ends) == 0 else { return }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        signalled = ends[1]
        let source = ends[0]
        // Removing needs locks and memory, which a handler must not use: it only wakes this thread.
        let code = startThread {
            var number: UInt8 = 0
            while retrying({ read(source, &number, 1) }) == 1 {
                items.withLock { for path in $0 { try? Folder.remove(path) } }
                signal(Int32(number), SIG_DFL)
                kill(getpid(), Int32(number))
            }
        }
        guard code == 0 else { return }
        for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGXCPU] {
            var action = sigaction()
            sigaction(number, nil, &action)
            guard unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 0 else { continue }  // SIG_DFL
            action.__sigaction_handler.sa_handler = { number in
                var byte = UInt8(truncatingIfNeeded: number)
                _ = write(TemporaryItem.signalled, &byte, 1)
            }
            action.sa_flags = SA_ONSTACK | SA_RESTART
            sigaction(number, &action, nil)
        }
    }
}
