import Diagnostics
import Files
import Glibc

/// A run's metrics as TensorBoard reads them: a folder with one event file for each session.
///
/// An event file is a sequence of records (TensorFlow's TFRecord): length (8 bytes), its masked CRC-32C (4), data, the
/// data's masked CRC-32C (4); the data is an `Event` of protocol buffers. Numbers are in single precision.
package final class EventLog {
    private var file: RecordFile
    private let now: () -> Double

    /// Starts a file. Events after step `lastStep`, which a run resumed there will write again, and events that a crash cut
    /// short are removed from the existing files.
    /// - Parameter now: seconds since 1970; replaced in tests.
    /// - Throws: `FileError`.
    package init(folder: String, keepingThrough lastStep: Int, now: @escaping () -> Double = EventLog.clock) throws {
        try Folder.create(folder)
        // A name that no file has had, including those removed now.
        let path = try Self.nextPath(in: folder, now: now())
        try Self.removeEvents(after: lastStep, in: folder)
        file = try RecordFile(appendingTo: path)
        self.now = now
        try append { $0.fileVersion = "brain.Event:2" }
        // For a TensorBoard that still shows what was just removed.
        if lastStep > 0 {
            try append {
                $0.step = Int64(lastStep) + 1
                $0.sessionLog.status = .start
            }
        }
    }

    /// Values that single precision cannot represent are left out.
    /// - Throws: `FileError`; the file then ends with the last complete event.
    package func append(step: Int, scalars: [(tag: String, value: Double?)]) throws {
        let values = scalars.compactMap { scalar in
            scalar.value.map(Float.init).flatMap { value in
                value.isFinite
                    ? TensorBoardSummary.Value.with {
                        $0.tag = scalar.tag
                        $0.simpleValue = value
                    } : nil
            }
        }
        try append {
            $0.step = Int64(step)
            $0.summary.value = values
        }
    }

    /// For TensorBoard's text page, which renders Markdown; hence the code block.
    /// - Throws: `FileError`.
    package func append(step: Int, tag: String, text: String) throws {
        // Markdown's lines end in LF, CR or CRLF, the last of which Swift takes for one character.
        let lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" || $0 == "\r" }
        let block = lines.map { "    \($0)" }.joined(separator: "\n")
        try append {
            $0.step = Int64(step)
            $0.summary.value = [
                .with {
                    $0.tag = tag
                    $0.metadata.pluginData.pluginName = "text"
                    $0.tensor.dtype = .dtString
                    $0.tensor.tensorShape.dim = [.with { $0.size = 1 }]
                    $0.tensor.stringVal = [.init(block.utf8)]
                }
            ]
        }
    }

    /// Makes everything appended so far durable.
    /// - Throws: `FileError`.
    package func sync() throws { try file.sync() }

    package static func clock() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    private func append(_ fill: (inout TensorBoardEvent) -> Void) throws {
        let event = TensorBoardEvent.with {
            $0.wallTime = now()
            fill(&$0)
        }
        let data: [UInt8] = try event.serializedBytes()
        let length = Self.bytes(UInt64(data.count))
        try file.append(
            length + Self.bytes(CRC32C.masked(length)) + data + Self.bytes(CRC32C.masked(data)))
    }

    private static func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian, Array.init)
    }

    // MARK: Files

    private static let prefix = "events.out.tfevents."

    /// TensorBoard knows the files by these names and reads them in their order.
    private static func nextPath(in folder: String, now: Double) throws -> String {
        let newest = try names(in: folder).compactMap { Int($0.dropFirst(prefix.count).prefix { $0 != "." }) }.max()
        let second = max(Int(exactly: now.rounded(.down)) ?? 0, (newest ?? 0) &+ 1)
        let digits = String(second)
        return "\(folder)/\(prefix)" + String(repeating: "0", count: max(0, 10 - digits.count)) + "\(digits).\(Host.name)"
    }

    private static func names(in folder: String) throws -> [String] {
        try Folder.names(in: folder).filter { $0.hasPrefix(prefix) && Folder.isFile("\(folder)/\($0)") }
    }

    /// - Throws: `FileError`.
    package static func removeEvents(after lastStep: Int, in folder: String) throws {
        for path in try names(in: folder).map({ "\(folder)/\($0)" }) {
            let (kept, hasSteps) = try EventReader(path).prefix(throughStep: lastStep)
            if !hasSteps {
                try Folder.remove(path)
            } else {
                let file = try File.open(path, .append)
                if kept < (try file.size()) { try file.truncate(to: kept) }
            }
        }
    }
}
