import Foundation

/// A folder of text files, as a made-up machine's kernel would show them; it goes with this object.
package final class MadeUpFiles {
    package let root = FileManager.default.temporaryDirectory.appending(path: "lockstep-\(UUID().uuidString)").path

    package init() {}

    deinit { try? FileManager.default.removeItem(atPath: root) }

    /// - Parameter tree: texts by path below the root; each gets a line's end.
    package func write(_ tree: [String: String]) throws {
        for (path, text) in tree {
            let folder = URL(filePath: root + path).deletingLastPathComponent()
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try (text + "\n").write(toFile: root + path, atomically: false, encoding: .utf8)
        }
    }
}
