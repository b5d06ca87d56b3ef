import ArgumentParser
import Configuration
import Files
import FoundationEssentials
import Glibc
import Report
import Reporting

struct ReportCommand: TaskCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Make a page of curves, samples and settings of one run, or of several side by side.",
        discussion: """
            The page is a single HTML file that needs no network. You can make it while a run is training. If you give \
            several paths, those without metrics are left out with a note.

            Examples:
              lockstep report runs/quickstart
              lockstep report runs/quickstart --output page.html
              lockstep report runs/small runs/large --output compare.html
            """)

    @Argument(help: ArgumentHelp("Run folders.", valueName: "run"), completion: .directory)
    var runs: [String]

    @Option(help: ArgumentHelp("File for the page. Default: report.html in the run folder; required for several runs.", valueName: "file"), completion: .file(extensions: ["html"]))
    var output: String?

    func validate() throws {
        guard runs.count == 1 || output != nil else {
            throw ValidationError("Several runs need a file for the page: --output FILE.")
        }
    }

    func run() throws {
        let runs = try ReportCommand.withMetrics(self.runs.map(Folder.withoutSlash))
        let names = ReportCommand.names(runs)
        let loaded = try zip(runs, names).map { folder, name in
            let path = "\(folder)/config.yaml"
            return Run(
                name: name,
                configuration: Folder.exists(path) ? try RunConfiguration.load(file: path, overrides: []).values : [],
                history: try ReportCommand.history(folder))
        }
        let page = Page(loaded, madeBy: "lockstep \(programVersion), \(Date.now.ISO8601Format())")
        let path = output ?? "\(runs[0])/report.html"
        if Folder.isFolder(path) { throw FileError(operation: "write", path: path, code: EISDIR) }
        TemporaryItem.removeOnSignals()
        try File.publish(page.html, at: path)
        print(path: path)
    }

    /// The records of a run, and what `lockstep inspect --gradient-flow` has found.
    private static func history(_ folder: String) throws -> MetricsHistory {
        let history = try MetricsHistory(path: "\(folder)/metrics.jsonl")
        let path = "\(folder)/\(GradientFlowRecord.fileName)"
        guard Folder.isFile(path) else { return history }
        guard let record = try? JSONDecoder().decode(GradientFlowRecord.self, from: Data(File.contents(of: path, limit: 64 << 20))) else {
            Failure.say("note: \(path) is left out: not what lockstep inspect --gradient-flow writes")
            return history
        }
        return history.with(record)
    }

    /// The paths that hold metrics; `runs/*` also gives others. A single path is returned as it is.
    /// - Throws: `FileError` if a path does not exist or none holds metrics.
    private static func withMetrics(_ paths: [String]) throws -> [String] {
        if paths.count == 1 { return paths }
        var runs: [String] = []
        for path in paths {
            // A mistyped name must not pass for a run without metrics.
            guard Folder.exists(path) else { throw FileError(operation: "open", path: path, code: ENOENT) }
            if Folder.isFile("\(path)/metrics.jsonl") {
                runs.append(path)
            } else {
                Failure.say("note: \(path) is left out: \(Folder.isFolder(path) ? "it holds no metrics.jsonl" : "not a run folder")")
            }
        }
        if runs.isEmpty { throw FileError(operation: "open", path: "\(paths[0])/metrics.jsonl", code: ENOENT) }
        return runs
    }

    /// The last part of each path, or the whole path if the last part is ambiguous.
    private static func names(_ folders: [String]) -> [String] {
        let last = folders.map { folder in
            folder.split(separator: "/").last { $0 != "." }.map(String.init) ?? folder
        }
        return zip(folders, last).map { folder, name in last.filter { $0 == name }.count > 1 ? folder : name }
    }
}
