import ArgumentParser
import Configuration
import Diagnostics
import Glibc
import Training

struct TrainCommand: JobCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a model, alone or on all ranks of mpirun.",
        discussion: """
            Settings come from the defaults, then from the configuration file, then from each --set in turn. The run folder \
            receives the complete configuration, metrics.jsonl and the checkpoints.

            Examples:
              lockstep train --config configs/quickstart.yaml --run runs/first --dry-run
              lockstep train --config configs/quickstart.yaml --run runs/first
              mpirun -n 2 lockstep train --run runs/first --resume auto
              mpirun -n 4 lockstep train --data data/mine --set model.hidden=512
              lockstep train --data data/mine --run runs/tuned --init-from runs/mine
              lockstep train --data data/mine --init-embeddings vectors.txt
              lockstep train --set model.cell=gru --print-config > mine.yaml

            docs/configuration.md explains every setting.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Option(name: .customLong("run"), help: ArgumentHelp("The run folder for checkpoints and metrics. Default: runs/NAME, after the configuration file.", valueName: "folder"), completion: .directory)
    var runFolder: String?

    @Option(help: ArgumentHelp("auto: resume from the run's latest checkpoint, or start if it has none. Otherwise the checkpoint folder to resume from.", valueName: "auto|folder"), completion: .directory)
    var resume: String?

    @Option(help: ArgumentHelp("Start with the weights of a run, a checkpoint or a .safetensors file (also PyTorch's): with every parameter that has the same name and shape there. Takes nothing else from it.", valueName: "path"), completion: .file())
    var initFrom: String?

    @Option(help: ArgumentHelp("Start with the word vectors of a text file, as word2vec or GloVe write it (also gzip), for the words that it has; after --init-from, if both are given.", valueName: "file"), completion: .file())
    var initEmbeddings: String?

    @Flag(help: "Print the complete configuration (YAML) that these options give, and do nothing else.")
    var printConfig = false
    @Flag(help: "Check everything, print what the run would be, and stop. Writes nothing.")
    var dryRun = false

    /// Whether this is more than a printout.
    var trains: Bool { !printConfig && !dryRun }

    func validate() throws {
        guard resume == nil || initFrom == nil && initEmbeddings == nil else {
            let option = initFrom == nil ? "--init-embeddings" : "--init-from"
            throw ValidationError("--resume and \(option) exclude each other: a resumed run already has weights.")
        }
    }

    func run() throws {
        if printConfig {
            // Needs no other rank: under mpirun, only rank 0 prints.
            if Failure.launchedRank == 0 { print(try RunPlan.configuration(of: self).yaml, terminator: "") }
            return
        }
        StopRequests.install()
        let heartbeat = Heartbeat()
        let ending = RunEnding.path(RunPlan.folder(self))
        let watchdog = Watchdog(heartbeat, rank: Failure.launchedRank, limit: RunPlan.patience(of: self)) { alarm in
            if let alarm { Failure.say("lockstep: \(alarm)", colour: .red) }
            Launcher.endIfItStays(noting: RunEnding.ofAlarm(step: heartbeat.reading.step), in: ending)
            // Not through MPI, which the training thread is using, nor through exit handlers.
            _exit(FailureKind.inputOutput.rawValue)
        }
        try watchdog.watch()
        let finished = try Job.run { communicator in
            let beginning = try RunBeginning(self, communicator, heartbeat, watchdog)
            if beginning.configuration.model.kind == .ngram {
                let run = try NGramRun(beginning)
                return dryRun ? true : try run.train()
            }
            let setup = try TrainingSetup(beginning)
            return dryRun ? true : try setup.train()
        }
        // So that whoever started the run knows to start it again.
        if !finished { Glibc.exit(FailureKind.stopped.rawValue) }
    }
}
