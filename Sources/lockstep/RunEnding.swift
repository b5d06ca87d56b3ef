import Diagnostics
import Files
import Training

/// `RUN/.ending`: the exit code with which the run's last sitting ended in good order, and the step. mpirun that got
/// SIGTERM returns 1 whatever its ranks return, so `launch/supervise` looks here. Missing while a job is running, and
/// after one that died.
enum RunEnding {
    private static func path(_ folder: String) -> String { "\(folder)/.ending" }

    /// - Throws: `FileError`.
    static func clear(_ folder: String) throws { try Folder.remove(path(folder)) }

    static func write(_ result: TrainingResult, to folder: String) {
        let code = result.finished ? 0 : FailureKind.stopped.rawValue
        // The checkpoint is safe; without this file the supervisor tries once more than it need.
        try? File.publish("\(code) step \(result.step)\n", at: path(folder))
    }
}
