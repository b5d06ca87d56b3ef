import Diagnostics
import Files
import Training

/// `RUN/.ending`: the exit code and step with which the last session ended normally. After
/// SIGTERM mpirun returns 1 whatever its ranks return, so `launch/supervise` reads this file. Missing while a job is running, and
/// after one that died.
struct RunEnding: Encodable {
    let code: Int32
    let step: Int

    /// Nil if there is no such file, or its content is invalid.
    init?(of folder: String) {
        guard let bytes = try? File.contents(of: RunEnding.path(folder), limit: 100) else { return nil }
        let words = String(decoding: bytes, as: UTF8.self).split { $0 == " " || $0 == "\n" }
        guard words.count == 3, let code = Int32(words[0]), let step = Int(words[2]) else { return nil }
        (self.code, self.step) = (code, step)
    }

    static func path(_ folder: String) -> String { "\(folder)/.ending" }

    /// What the file says of a job that the watchdog ended.
    static func ofAlarm(step: Int) -> String { "\(FailureKind.inputOutput.rawValue) step \(step)" }

    /// - Throws: `FileError`.
    static func clear(_ folder: String) throws { try Folder.remove(path(folder)) }

    static func write(finished: Bool, step: Int, to folder: String) {
        let code = finished ? 0 : FailureKind.stopped.rawValue
        // The checkpoint is safe; without this file, the supervisor only makes one unnecessary attempt.
        try? File.publish("\(code) step \(step)\n", at: path(folder))
    }
}
