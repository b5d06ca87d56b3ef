import Checkpoints
import Collectives
import Configuration
import Diagnostics
import Files
import Glibc

/// The folder of a run and the point where it starts: rank 0 decides, and all ranks follow.
struct RunPlan {
    let folder: String
    /// The checkpoint to resume from; nil for a new run.
    let checkpoint: LoadedCheckpoint?

    var configurationPath: String { RunPlan.configurationPath(in: folder) }

    init(_ command: TrainCommand, _ communicator: any Communicator) throws {
        let folder = RunPlan.folder(command)
        let isFirst = communicator.rank == 0
        // Only rank 0 looks and checks every checksum: the others might see the folder in a different state.
        let decided = try communicator.together("looking for checkpoints") {
            isFirst ? try RunPlan.checkpointFolder(command, in: folder) ?? "" : ""
        }
        let place = try communicator.broadcast(decided)
        // On another machine it may be another file: one rank of each reads all of it.
        let verifies = !isFirst && LaunchEnvironment.localRank ?? 0 == 0
        checkpoint = try communicator.together("opening the checkpoint") {
            place.isEmpty ? nil : try LoadedCheckpoint(folder: place, verifying: verifies)
        }
        try communicator.agree(
            on: checkpoint.map { "\($0.modelHash) \($0.stateHash)" } ?? "", named: "the SHA-256 of model and state in \(place)", kind: .data)
        self.folder = folder
    }

    private static func configurationPath(in folder: String) -> String { "\(folder)/config.yaml" }

    static func folder(_ command: TrainCommand) -> String {
        if let run = command.runFolder { return Folder.withoutSlash(run) }
        if let resume = command.resume.map(Folder.withoutSlash), resume != "auto" {
            // RUN/checkpoints/step-... belongs to RUN; anything else is a run folder itself.
            let parent = Folder.parent(of: resume)
            return parent.hasSuffix("checkpoints") ? Folder.parent(of: parent) : resume
        }
        let name = command.options.config.map { $0.split(separator: "/").last.map(String.init) ?? $0 } ?? "default"
        return "runs/\(name.hasSuffix(".yaml") ? String(name.dropLast(5)) : name)"
    }

    private static func checkpointFolder(_ command: TrainCommand, in folder: String) throws -> String? {
        let note: @Sendable (String) -> Void = { Failure.say("note: \($0)") }
        let store = CheckpointStore(runFolder: folder, keep: 1, note: note)
        switch command.resume {
        case nil:
            // Also an error: training must not overwrite folders of damaged checkpoints.
            guard let latest = try store.latest() else { return nil }
            // A mistyped setting is reported first.
            _ = try command.options.load()
            throw UsageError(
                "the run folder already has checkpoints", location: folder,
                found: "step \(latest.manifest.step)",
                remedy: "add --resume auto to resume, or choose another folder with --run")
        case "auto":
            let latest = try store.latest()
            if latest == nil { note("\(folder) has no checkpoint yet: starting at step 0") }
            return latest?.folder
        case let name?:
            let path = Folder.withoutSlash(name)
            guard Folder.exists(path) else { throw FileError(operation: "open", path: path, code: ENOENT) }
            if Folder.isFolder("\(path)/checkpoints") {
                guard let latest = try CheckpointStore(runFolder: path, keep: 1, note: note).latest() else {
                    throw CheckpointError.noCheckpointYet(folder: path)
                }
                return latest.folder
            }
            return try LoadedCheckpoint(folder: path).folder
        }
    }

    /// The configuration that the command line gives. Reads no run folder except that of a run to be resumed.
    static func configuration(of command: TrainCommand) throws -> RunConfiguration {
        guard command.resume != nil else {
            return try command.options.load()
        }
        return try RunPlan(command, SingleRank()).configuration(command)
    }

    /// `watchdog.seconds` before the ranks have met, and before errors in the configuration are reported.
    static func patience(of command: TrainCommand) -> Double {
        let overrides = command.options.settings
        let own = command.resume == nil ? nil : configurationPath(in: folder(command))
        let configuration =
            (try? RunConfiguration.load(file: command.options.config ?? own, overrides: overrides))
            ?? (try? RunConfiguration.load(file: nil, overrides: overrides))
        return (configuration ?? RunConfiguration()).watchdog.seconds
    }

    /// The configuration of the command line; when resuming without a file, that of the checkpoint.
    func configuration(_ command: TrainCommand) throws -> RunConfiguration {
        guard let checkpoint else { return try command.options.load() }
        let manifest = "\(checkpoint.folder)/manifest.json"
        let saved = try RunConfiguration.load(yaml: checkpoint.manifest.configuration, name: manifest)
        let configuration =
            try command.options.config == nil
            ? RunConfiguration.load(yaml: checkpoint.manifest.configuration, name: manifest, overrides: command.options.settings)
            : command.options.load()
        let differences = configuration.differences(from: saved)
        if let structural = differences.first(where: \.isStructural) {
            throw UsageError(
                "a resumed run cannot change this setting", location: structural.path, expected: structural.old,
                found: structural.new, remedy: "restore it, or start a new run" + (checkpoint.initFrom.map { " with \($0)" } ?? ""))
        }
        if Failure.launchedRank == 0 {
            for change in differences where change.path != "data.path" {
                Failure.say("note: \(change.path) changes from \(change.old) to \(change.new)")
            }
        }
        return configuration
    }
}
