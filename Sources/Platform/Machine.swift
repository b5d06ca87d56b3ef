import Files
import Glibc

/// What the kernel reports about a machine and this process, in its files below `root`: "" for this machine, a fabricated tree
/// in tests.
package struct Machine: Sendable {
    package static let this = Machine(root: "")

    package let root: String

    package init(root: String) { self.root = root }

    // MARK: Files

    /// - Returns: the text without trailing white space; nil if the file cannot be read.
    package func text(_ path: String) -> String? {
        guard let bytes = try? File.contents(of: root + path, limit: 1 << 24) else { return nil }
        return String(String(decoding: bytes, as: UTF8.self).trimmingSuffix(while: \.isWhitespace))
    }

    package func lines(_ path: String) -> [Substring] { text(path)?.split(separator: "\n") ?? [] }

    package func names(_ path: String) -> [String] { (try? Folder.names(in: root + path)) ?? [] }

    func number(_ path: String) -> Int? { text(path).flatMap { Int($0) } }

    /// The value of `key:` in files such as /proc/meminfo and /proc/self/status.
    package func value(_ key: String, in path: String) -> String? {
        lines(path).first { $0.hasPrefix("\(key):") }.map { $0.dropFirst(key.count + 1).trimmed }
    }

    /// The numbers of "0-3,8".
    package static func numbers(inList list: String) -> [Int] {
        list.split(separator: ",").flatMap { part -> [Int] in
            let ends = part.split(separator: "-").compactMap { Int($0.trimmed) }
            guard let first = ends.first, let last = ends.last, first <= last, last - first < 1 << 16 else { return [] }
            return Array(first...last)
        }
    }

    // MARK: Processes

    /// State, parent and the following fields of /proc/PID/stat; empty if there is no such process. The program's name comes
    /// before them, in parentheses, and may contain anything.
    func status(of process: String) -> [Substring] {
        text("/proc/\(process)/stat")?.split(separator: ")").last?.split(separator: " ") ?? []
    }

    /// Seconds since this process was started, to 0.01; nil if the kernel does not say.
    package var processAge: Double? {
        // The twentieth field after the name is the start time, in clock ticks.
        let fields = status(of: "self")
        guard fields.count > 19, let ticks = Double(fields[19]) else { return nil }
        var now = timespec()
        clock_gettime(CLOCK_BOOTTIME, &now)
        let age = Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9 - ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
        return age >= 0 ? age : nil
    }
}

extension StringProtocol {
    /// The text without leading and trailing white space.
    package var trimmed: String {
        String(String(drop(while: \.isWhitespace)).trimmingSuffix(while: \.isWhitespace))
    }
}

extension BidirectionalCollection {
    fileprivate func trimmingSuffix(while predicate: (Element) -> Bool) -> SubSequence {
        var end = endIndex
        while end > startIndex, predicate(self[index(before: end)]) { end = index(before: end) }
        return self[..<end]
    }
}
