import ArgumentParser
import Collectives
import Configuration
import Corpus
import Diagnostics
import Doctor
import Files
import MPITransport
import Platform
import Recurrent
import Training

struct DoctorCommand: JobCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Find out what is wrong on a machine, or on all hosts of mpirun.",
        discussion: """
            Checks processor, memory, MPI, binding, threads, networks and the run folder and, under mpirun, whether all \
            ranks agree and have a core each. Says what is wrong, why, and what to type; changes nothing. With a \
            configuration, it also says whether this run fits. docs/cluster.md has more.

            Exit code 0: nothing prevents training (there may be warnings). 69: a problem was found.

            Examples:
              lockstep doctor
              lockstep doctor --config configs/quickstart.yaml --run runs/quickstart
              mpirun -n 2 --bind-to core lockstep doctor
              lockstep doctor --hostfile hosts
            """)

    @OptionGroup var options: ConfigurationOptions

    @Option(name: .customLong("run"), help: ArgumentHelp("The planned run's folder. Default: check the current folder.", valueName: "folder"), completion: .directory)
    var runFolder: String?

    @Option(help: ArgumentHelp("The hosts that the launcher will use: NAME slots=N, or NAME:N.", valueName: "file"), completion: .file())
    var hostfile: String?

    @Flag(help: "One JSON object on stdout: findings, command, and the facts of every rank.")
    var json = false

    func run() throws {
        try Job.run(examines: true) { communicator in
            let intent = try communicator.together("reading the configuration") { try plannedRun() }
            let survey = Survey(
                runFolder: runFolder ?? ".", lockstep: programVersion, library: MPILibrary.version,
                isLaunched: MPISession.isLaunched)
            let facts = try survey.run(communicator)
            let problems = try communicator.broadcast(try facts.map { try report($0, intent) } ?? "")
            if problems != "0" { throw UnfitMachine(problems: problems) }
        }
    }

    /// Prints the report. - Returns: the number of problems.
    private func report(_ facts: [Facts], _ intent: Intent) throws -> String {
        let report = Examination.judge(facts, intent)
        if json {
            print(try JSONText.page(Document(report, facts)))
        } else {
            print(report.text)
        }
        return "\(report.count(.problem))"
    }

    private struct Document: Encodable {
        var problems: Int
        var warnings: Int
        var findings: [Finding]
        var command: [String]
        var facts: [Facts]

        init(_ report: Report, _ facts: [Facts]) {
            problems = report.count(.problem)
            warnings = report.count(.warning)
            findings = report.findings
            command = report.command
            self.facts = facts
            for rank in facts.indices { self.facts[rank].storage.folder = facts[rank].storage.folder.legible }
        }
    }

    // MARK: The planned run

    private func plannedRun() throws -> Intent {
        var intent = Intent()
        for (option, value) in [("--config", options.config), ("--data", options.data), ("--run", runFolder)] {
            if let value { intent.arguments += [option, value] }
        }
        for setting in options.overrides { intent.arguments += ["--set", setting] }
        intent.environmentFile = DoctorCommand.environmentFile
        if let hostfile {
            let text = String(decoding: try File.contents(of: hostfile, limit: 1 << 24), as: UTF8.self)
            intent.hostfile = Hostfile(path: hostfile, text: text)
        }
        guard options.config != nil || !options.overrides.isEmpty, Machine.missingInstructions == nil else { return intent }
        let configuration = try options.load()
        (intent.streams, intent.split) = (configuration.training.streams, configuration.exchange.split)
        intent.shards = configuration.training.reproducibleShards
        // Without a dataset, neither the vocabulary nor the memory is known.
        let folder = configuration.data.path
        guard Folder.exists("\(folder)/dataset.json") else {
            intent.missingData = folder
            return intent
        }
        let dataset = try Dataset(folder: folder)
        let training = try TrainingOptions(
            configuration, vocabularySize: dataset.vocabulary.count, lineEnd: dataset.vocabulary.lineEnd,
            tokens: dataset.tokens(of: .train), sequences: TrainingSequences(dataset, configuration), labels: dataset.labels?.count,
            values: dataset.manifest.values)
        if training.model.unshared != nil { intent.split = .streams }
        if let memory = ModelMemory(
            training.model, batch: training.streams, steps: training.unroll.maximumLength, training: true,
            optimizerSlots: training.optimizer.name.slots.count)
        {
            intent.need = Intent.Need(
                parameters: memory.parameters, slots: memory.optimizer, packed: memory.packed,
                activations: (memory.activations - memory.packed) / training.streams)
        }
        return intent
    }

    /// `launch/openmpi.env` of the checkout in which this program was built.
    private static var environmentFile: String? {
        guard var folder = try? Folder.target(ofLink: "/proc/self/exe") else { return nil }
        while folder != "/" {
            folder = Folder.parent(of: folder)
            let file = "\(folder)/launch/openmpi.env"
            guard Folder.exists(file) else { continue }
            return Folder.exists("launch/openmpi.env") && Folder.exists("Package.swift") ? "launch/openmpi.env" : file
        }
        return nil
    }
}

/// Reported last, so that it is seen and a script stops.
struct UnfitMachine: DiagnosedError {
    let problems: String
    var kind: FailureKind { .unfit }
    var diagnosis: Diagnosis {
        Diagnosis("\(problems) problem\(problems == "1" ? "" : "s") found", remedy: "see the list above")
    }
}
