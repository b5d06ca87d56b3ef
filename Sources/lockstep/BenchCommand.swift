import ArgumentParser
import Benchmark
import Collectives
import Configuration
import Corpus
import Diagnostics
import Kernels
import MPITransport
import Training

struct BenchCommand: JobCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure training speed, alone or on all ranks of mpirun.",
        discussion: """
            Trains the model of the configuration for some steps, on the training part of --data or else on random tokens, and shows where the time goes: for each phase, in \
            operations per second and as a share of the cores' peak, and for each rank, in computing, waiting and \
            exchange. Then it measures sums over ranks, predicts the efficiency on more machines, and measures evaluation \
            and generation with one stream. Nothing is saved. docs/scaling.md explains every figure.

            Examples:
              lockstep bench --config configs/wikitext2-small.yaml
              mpirun -n 2 --bind-to core lockstep bench --data data/kinematics
              mpirun -n 2 lockstep bench --set model.hidden=650 --vocabulary 33278 --json
            """)

    @OptionGroup var options: ConfigurationOptions

    @Option(help: ArgumentHelp("Without --data: the size of the vocabulary. Default: 10000.", valueName: "n"))
    var vocabulary: Int?

    @Option(help: ArgumentHelp("Steps to measure.", valueName: "n"))
    var steps = 20

    @Option(help: ArgumentHelp("Warm-up steps before those.", valueName: "n"))
    var warmup = 3

    @Option(
        name: .customLong("link"),
        help: ArgumentHelp(
            """
            A network to predict the efficiency for: GBIT,MICROSECONDS (bandwidth in Gbit/s, latency). May be given \
            several times. Default: 1,50 and 10,30 and 100,5.
            """, valueName: "gbit,us"))
    var links: [NetworkLink] = []

    @Flag(help: "Measure only the training steps: no sums over ranks, no prediction, no evaluation, no generation.")
    var stepsOnly = false

    @Flag(help: "One JSON object on stdout.")
    var json = false

    func validate() throws {
        guard options.data == nil || vocabulary == nil else { throw ValidationError("Give --data or --vocabulary, not both.") }
        guard (1...10_000_000).contains(vocabulary ?? 1) else {
            throw ValidationError("--vocabulary must be from 1 to 10000000, found \(vocabulary!).")
        }
        guard (1...100_000).contains(steps) else { throw ValidationError("--steps must be from 1 to 100000, found \(steps).") }
        guard (0...100_000).contains(warmup) else { throw ValidationError("--warmup must be from 0 to 100000, found \(warmup).") }
    }

    func run() throws {
        try Job.run { communicator in
            let plan = try plan(communicator)
            let benchmark = Benchmark(plan, communicator: communicator) { Failure.say($0) }
            guard let report = try benchmark.run() else { return }
            print(json ? try JSONText.page(report) : report.text)
        }
    }

    private func plan(_ communicator: any Communicator) throws -> BenchmarkOptions {
        let configuration = try communicator.together("reading the configuration") { try options.load() }
        guard configuration.training.batching == .streams else {
            throw UsageError(
                "bench measures steps that are all alike, which those of whole sequences are not", location: "training.batching",
                expected: "streams", found: configuration.training.batching.rawValue,
                remedy: "train with it: metrics.jsonl has the speed; or measure the model with --set model.output=next --set training.batching=streams")
        }
        try communicator.agreeOnProgram()
        try communicator.agree(
            on: configuration.values.map { (name: $0.path, value: $0.value) } + [
                ("--vocabulary", "\(vocabulary ?? 0)"), ("--steps", "\(steps)"), ("--warmup", "\(warmup)"),
                ("--steps-only", "\(stepsOnly)"),
            ])
        let dataset = try communicator.together("opening the dataset") { try options.data.map { try Dataset(folder: $0) } }
        try communicator.agree(on: dataset?.hash ?? "", named: "the dataset's SHA-256", kind: .data)
        var plan = try communicator.together("planning the measurement") {
            let file = try dataset?.tokens(of: .train)
            let vocabulary = dataset?.vocabulary.count ?? vocabulary ?? 10_000
            let count = try file?.count ?? randomTokens(configuration)
            let tokens = file ?? RandomText.tokens(count: count, vocabulary: vocabulary, seed: configuration.training.seed)
            // Random text has lines, too.
            let lineEnd = dataset.map(\.vocabulary.lineEnd) ?? 0
            var training = try TrainingOptions(
                configuration, vocabularySize: vocabulary, lineEnd: lineEnd, tokens: tokens)
            // So that all steps are alike.
            training.unroll = UnrollPlan(fixed: training.unroll.base)
            if let shards = training.reproducibleShards, !stepsOnly {
                throw UsageError(
                    "only steps of all ranks can be measured with shards", location: "training.reproducible_shards",
                    found: "\(shards)", remedy: "add --steps-only, or set it to null")
            }
            return BenchmarkOptions(
                training: training,
                tokens: tokens,
                steps: steps, warmup: warmup, program: "lockstep \(programVersion)", host: Host.name,
                threads: Arithmetic.threads, pieceBytes: MPISession.largestMessage,
                links: (links.isEmpty ? NetworkLink.usual : links).map { ($0.name, $0.model) }, stepsOnly: stepsOnly)
        }
        try communicator.together("planning the measurement") { try plan.training.decideSplit(communicator) }
        // The second copy is the model that exchanges by messages or runs alone.
        let extra = Benchmark.bandwidthBytes + (dataset == nil ? 4 * plan.tokens.count : 0)
        try communicator.together("planning the measurement") { [plan] in
            try RunSummary.checkMemory(plan.training, communicator, copies: 2, extra: extra)
        }
        return plan
    }

    /// Enough for every step, but no more than 32 different ones.
    private func randomTokens(_ configuration: RunConfiguration) throws -> Int {
        let (chunk, overflow) = configuration.training.streams.multipliedReportingOverflow(by: configuration.training.unroll)
        guard !overflow, chunk <= 1 << 26 else {
            throw UsageError(
                "the chunk is too large", location: "training.streams x training.unroll", expected: "at most \(1 << 26) tokens",
                remedy: "lower training.streams or training.unroll")
        }
        return chunk * min(warmup + steps, 32) + 1
    }
}

/// Bandwidth and latency of a network between machines.
struct NetworkLink: ExpressibleByArgument {
    let gigabits: Double
    let microseconds: Double

    static let usual = ["1,50", "10,30", "100,5"].map { NetworkLink(argument: $0)! }

    init?(argument: String) {
        let numbers = argument.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
        guard numbers.count == 2, let gigabits = numbers[0], let microseconds = numbers[1],
            gigabits > 0, gigabits.isFinite, microseconds >= 0, microseconds.isFinite
        else { return nil }
        self.gigabits = gigabits
        self.microseconds = microseconds
    }

    var name: String { "\(plain(gigabits)) Gbit/s, \(plain(microseconds)) us" }
    var model: AllReduceModel { AllReduceModel(latency: microseconds * 1e-6, bytesPerSecond: gigabits * 1e9 / 8) }

    private func plain(_ number: Double) -> String { Int(exactly: number).map { "\($0)" } ?? "\(number)" }
}
