import ArgumentParser
import Checkpoints
import Configuration
import Corpus
import Diagnostics
import Files
import FoundationEssentials
import Glibc
import MPITransport
import Training

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Prove that a run can be killed, resumed and spread over other numbers of ranks, on these machines.",
        discussion: """
            Trains the model of the configuration for a few steps, several times: undisturbed, killed (SIGKILL) at random \
            steps and resumed, and on other numbers of ranks. With training.reproducible_shards, all runs must end in the \
            same bytes. Without it, runs on the same number of ranks must; on another number, the next step's loss must \
            agree to 1e-6. verify narrows a difference down to the first step, tensor and element and, if the carried \
            state shows it, to the rank. Start it without mpirun: it starts its jobs itself. All machines must see the \
            scratch folder. docs/exactness.md says what is promised.

            Examples:
              lockstep verify --config configs/quickstart.yaml --data data/kinematics
              lockstep verify --set training.reproducible_shards=8 --ranks 1,2,4,8
              lockstep verify --config my.yaml --ranks 2,4 --kills 5
              lockstep verify --launcher "srun --mpi=pmix -n {ranks}" --scratch /nfs/v
              lockstep verify --compare runs/a runs/b
            """)

    @OptionGroup var options: ConfigurationOptions

    @Option(help: ArgumentHelp("Steps of each run.", valueName: "n"))
    var steps = 40

    @Option(help: ArgumentHelp("Numbers of ranks, as in 1,2,4; the first is the reference. Default: those of 1, 2, 3, 4 that fit.", valueName: "n,n,..."))
    var ranks: String?

    @Option(help: ArgumentHelp("How often the interrupted run is killed.", valueName: "n"))
    var kills = 3

    @Option(help: ArgumentHelp("Decides when to kill, and how many ranks resume.", valueName: "n"))
    var seed: UInt64 = 1

    @Option(help: ArgumentHelp("How to start jobs of more than one rank: the words before 'lockstep', with {ranks} for the number.", valueName: "command"))
    var launcher = MPILibrary.anyRanks

    @Option(help: ArgumentHelp("A new folder for the runs. Default: lockstep-verify-... in the working directory.", valueName: "folder"), completion: .directory)
    var scratch: String?

    @Option(help: ArgumentHelp("Seconds without progress after which a job has failed.", valueName: "seconds"))
    var patience = 600.0

    @Flag(help: "Keep the scratch folder. It is always kept after a difference.")
    var keep = false

    @Flag(help: "One JSON object on stdout.")
    var json = false

    @Option(parsing: .upToNextOption, help: ArgumentHelp("Train nothing: compare the checkpoints of these two run folders.", valueName: "run"), completion: .directory)
    var compare: [String] = []

    func validate() throws {
        guard compare.isEmpty || compare.count == 2 else {
            throw ValidationError("--compare needs two run folders, found \(compare.count).")
        }
        guard (2...1_000_000).contains(steps) else { throw ValidationError("--steps must be from 2 to 1000000, found \(steps).") }
        guard (1...1000).contains(kills) else { throw ValidationError("--kills must be from 1 to 1000, found \(kills).") }
        guard patience > 0 else { throw ValidationError("--patience must be above 0, found \(patience).") }
        guard launcher.contains("{ranks}") else {
            throw ValidationError("--launcher must contain {ranks} in place of the number of ranks; found '\(launcher)'.")
        }
    }

    func run() throws {
        guard !MPISession.isLaunched else {
            throw UsageError(
                "verify starts its jobs itself", location: "verify", found: "a start under mpirun or srun",
                remedy: "start it without a launcher, and name the launcher with --launcher")
        }
        if compare.count == 2 { return try compareRuns() }
        StopRequests.install()
        // More ranks than cores are normal here: waiting ranks must not keep the others from computing.
        setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0)
        let configuration = try options.load()
        try configuration.requireNetwork()
        let ranks = try numbersOfRanks(configuration)
        // Reported once, here, and not by the first job in its log.
        _ = try Dataset(folder: configuration.data.path, recipe: options.config)
        let folder = try makeScratch()
        var keeps = keep
        defer { if !keeps { try? Folder.remove(folder) } }
        let verification = try Verification(
            .init(
                configuration: configuration, ranks: ranks, steps: steps, kills: kills, seed: seed,
                launcher: launcher.split(separator: " ").map(String.init), patience: patience, scratch: folder)
        ) { Failure.say($0 + " ...") }
        let report: VerificationReport
        do {
            report = try verification.run()
        } catch {
            keeps = keeps || error is JobFailed
            throw error
        }
        print(json ? try JSONText.page(report) : report.text)
        guard report.passed else {
            keeps = true
            let finding = report.trials.lazy.compactMap(\.finding).first
            throw RunsDiffer(step: finding?.step, tensor: finding?.tensors.first, folder: folder)
        }
    }

    private func compareRuns() throws {
        for folder in compare where !Folder.isFolder("\(folder)/checkpoints") {
            guard Folder.exists(folder) else { throw FileError(operation: "open", path: folder, code: ENOENT) }
            throw CheckpointError.noCheckpointYet(folder: folder)
        }
        let comparison = try RunComparison(compare[0], compare[1])
        guard !comparison.compared.isEmpty else {
            throw UsageError(
                "the runs have no checkpoint of the same step", location: "--compare", found: compare.joined(separator: " and "))
        }
        let result = ComparisonReport(comparison)
        print(json ? try JSONText.page(result) : result.text)
        guard let different = comparison.firstDifferent else { return }
        throw RunsDiffer(step: different.step, tensor: different.tensors.first, folder: nil)
    }

    /// - Throws: `UsageError`; `ShardError`, `PartitionError` for a number that the configuration excludes.
    private func numbersOfRanks(_ configuration: RunConfiguration) throws -> [Int] {
        let training = configuration.training
        func check(_ ranks: Int) throws {
            // What teams exclude depends on where the ranks are.
            if configuration.exchange.split == .units { return }
            _ = try StreamPartition.owned(by: 0, of: ranks, streams: training.streams)
            if let shards = training.reproducibleShards { _ = try ShardPlan(streams: training.streams, shards: shards, ranks: ranks) }
        }
        guard let ranks else { return [1, 2, 3, 4].filter { (try? check($0)) != nil } }
        let numbers = ranks.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
        guard numbers.allSatisfy({ (1...1_000_000).contains($0) }), Set(numbers).count == numbers.count else {
            throw UsageError("not a list of numbers of ranks", location: "--ranks", expected: "different numbers, as in 1,2,4", found: ranks)
        }
        for number in numbers { try check(number) }
        return numbers
    }

    private func makeScratch() throws -> String {
        if let scratch {
            guard !Folder.exists(scratch) else {
                throw UsageError("the scratch folder already exists", location: scratch, remedy: "name a new folder with --scratch")
            }
            try Folder.create(scratch)
            return scratch
        }
        var template = Array("lockstep-verify-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw FileError(operation: "create a folder in", path: ".") }
        return template.withUnsafeBufferPointer { String(cBytes: $0.baseAddress!) }
    }
}

/// The result of `--compare`.
private struct ComparisonReport: Encodable {
    let verdict: String
    let comparedSteps: [Int]
    let lastEqual: Int?
    let firstDifferent: Int?
    let tensors: [TensorDifference]

    init(_ comparison: RunComparison) {
        verdict = comparison.firstDifferent == nil ? "equal" : "different"
        comparedSteps = comparison.compared
        lastEqual = comparison.lastEqual
        firstDifferent = comparison.firstDifferent?.step
        tensors = comparison.firstDifferent?.tensors ?? []
    }

    var text: String {
        guard let firstDifferent else {
            return "equal to the byte: checkpoints of steps \(comparedSteps.map(String.init).joined(separator: ", "))"
        }
        return (["first difference: the checkpoint of step \(firstDifferent)\(lastEqual.map { " (step \($0) is equal)" } ?? "")"]
            + tensors.map { "  \($0.description)" }).joined(separator: "\n")
    }
}
