import Collectives
import Corpus
import Files
import FoundationEssentials
import Kernels
import Platform
import Recurrent
import Training

/// What to measure.
package struct BenchmarkOptions: Sendable {
    /// The step to measure; its unroll length must be fixed.
    package var training: TrainingOptions
    package var tokens: TokenStore
    /// The number of measured steps, and of warm-up steps before them.
    package var steps: Int
    package var warmup: Int
    package var program: String
    package var host: String
    /// Cores of one rank.
    package var threads: Int
    /// The largest piece that the transport sums at once.
    package var pieceBytes: Int
    /// Networks to predict for.
    package var links: [(name: String, model: AllReduceModel)]
    /// Leaves out exchange by messages, prediction and inference.
    package var stepsOnly: Bool

    package init(
        training: TrainingOptions, tokens: TokenStore, steps: Int, warmup: Int, program: String, host: String,
        threads: Int, pieceBytes: Int, links: [(name: String, model: AllReduceModel)], stepsOnly: Bool = false
    ) {
        precondition(steps > 0 && warmup >= 0 && training.unroll.base == training.unroll.maximumLength)
        self.training = training
        self.tokens = tokens
        self.steps = steps
        self.warmup = warmup
        self.program = program
        self.host = host
        self.threads = threads
        self.pieceBytes = pieceBytes
        self.links = links
        self.stepsOnly = stepsOnly
    }
}

/// Measures machine, training step, exchange and inference, on all ranks together.
package struct Benchmark {
    private let options: BenchmarkOptions
    private let communicator: any Communicator
    private let say: (String) -> Void

    /// - Parameter say: receives what is being measured; called on rank 0 only.
    package init(
        _ options: BenchmarkOptions, communicator: any Communicator, say: @escaping (String) -> Void = { _ in }
    ) {
        self.options = options
        self.communicator = communicator
        self.say = communicator.rank == 0 ? say : { _ in }
    }

    /// Memory in bytes that is read to measure its bandwidth.
    package static var bandwidthBytes: Int { min(max(4 * Machine.this.lastCache, 64 << 20), 1 << 30) }

    /// Collective.
    /// - Returns: the report on rank 0, nil on the others.
    /// - Throws: `BenchmarkError`, `TrainingError`, `CollectiveFailure`, `KernelError`, transport errors.
    package func run() throws -> BenchmarkReport? {
        var run: StepRun? = try communicator.together("building the model") {
            try StepRun(options.training, tokens: options.tokens, communicator: communicator)
        }
        let age = Machine.this.processAge
        say("measuring \(options.steps) training steps, after \(options.warmup) to warm up")
        try run!.warmUp(options.warmup)
        let samples = try run!.measure(options.steps)
        let memory = ProcessMemory.now.peak
        let batch = run!.batch
        if communicator.size > 1 { run = nil }

        say("measuring memory bandwidth")
        try communicator.barrier()
        let readBandwidth = Ceiling.read(bytes: Benchmark.bandwidthBytes)
        try communicator.barrier()
        let triadBandwidth = Ceiling.triad(bytes: Benchmark.bandwidthBytes)
        let ranks = try communicator.gatherCoded(
            RankMeasurement(
                host: options.host, batch: batch, samples: samples, readBandwidth: readBandwidth,
                triadBandwidth: triadBandwidth, peakMemory: memory, secondsToFirstStep: age))
        let machines = try communicator.machineGroups()
        if options.stepsOnly {
            guard communicator.rank == 0 else { return nil }
            return BenchmarkReport(options, ranks: ranks, machines: machines.across.size, exchange: nil, alone: nil, splits: nil)
        }
        // By messages, each rank has streams of its own.
        let exchange = communicator.size > 1 && options.training.streams >= communicator.size ? try measureExchange(machines, steps: ranks.map(\.samples.steps)) : nil
        say("measuring rank 0 alone, evaluation, generation")
        let alone = try communicator.together("measuring rank 0 alone") {
            communicator.rank == 0 ? try measureAlone(run, batch: batch) : nil
        }
        var splits: SplitMeasurement?
        // Both splits are those of all ranks of the machine.
        let isOneTeam = options.training.team.map { $0.count == 1 } ?? true
        if isOneTeam, machines.across.size == 1, communicator.size > 1, options.training.model.unshared == nil {
            say("measuring streams and units, and what a rank of 8 to 128 would compute")
            splits = try SplitMeasurement(options, steps: slowest(ranks.map(\.samples.steps)), communicator: communicator)
        }
        guard let alone else { return nil }
        return BenchmarkReport(
            options, ranks: ranks, machines: machines.across.size, exchange: exchange, alone: alone, splits: splits)
    }

    /// - Parameter steps: seconds of each rank's steps, as already measured.
    private func measureExchange(_ machines: MachineGroups, steps: [[Double]]) throws -> ExchangeMeasurement {
        let gradientBytes = ParameterLayout(options.training.model).count * MemoryLayout<Float>.stride
        // The model assumes no overlap.
        var plain = options.training
        plain.exchange.overlap = false
        if machines.across.size > 1 {
            say("measuring sums over \(machines.across.size) machines")
            let sums = try ExchangeTiming.measure(
                gradientBytes: gradientBytes, across: machines.across, here: machines.here.size, all: communicator)
            var steps = steps
            if options.training.exchange.overlap {
                say("measuring training steps without overlap")
                let run = try StepRun(plain, tokens: options.tokens, communicator: communicator)
                try run.warmUp(options.warmup)
                steps = try communicator.gatherCoded(run.measure(options.steps).steps)
            }
            return ExchangeMeasurement(
                machines: machines.across.size, ranksPerMachine: machines.here.size, sums: sums,
                bestSeconds: slowest(steps).min()!, stepsShareMemory: false, machineAlone: try measureMachine(machines.here))
        }
        say("measuring sums over \(communicator.size) ranks by messages")
        let sums = try ExchangeTiming.measure(
            gradientBytes: gradientBytes, across: communicator, here: 1, all: communicator)
        say("measuring training steps that exchange by messages")
        let run = try StepRun(plain, tokens: options.tokens, communicator: MessagesOnly(communicator))
        try run.warmUp(options.warmup)
        let messages = try communicator.gatherCoded(run.measure(options.steps).steps)
        return ExchangeMeasurement(
            machines: communicator.size, ranksPerMachine: 1, sums: sums, bestSeconds: slowest(messages).min()!,
            stepsShareMemory: true, machineAlone: nil)
    }

    /// Collective. Steps of the ranks of rank 0's machine with their own streams, while the other machines are idle; nil if
    /// it has only one rank, and on other machines.
    private func measureMachine(_ here: any Communicator) throws -> [Double]? {
        if here.size == 1 { return nil }
        say("measuring rank 0's machine alone")
        return try communicator.together("measuring rank 0's machine alone") {
            guard try here.gatherCoded(communicator.rank).contains(0) else { return nil }
            let speaks = options.training.team?.rank ?? 0 == 0
            let batches = try here.gatherCoded(speaks ? options.training.streams(of: communicator).count : 0)
            var training = options.training
            training.streams = batches.reduce(0, +)
            let run = try StepRun(training, tokens: options.tokens, communicator: here)
            try run.warmUp(options.warmup)
            return slowest(try here.gatherCoded(run.measure(options.steps).steps))
        }
    }

    /// - Parameter run: rank 0's run if it is the only rank.
    private func measureAlone(_ run: StepRun?, batch: Int) throws -> AloneMeasurement {
        var steps: [Double]?
        let alone: StepRun
        if let run {
            alone = run
        } else {
            var training = options.training
            training.streams = batch
            alone = try StepRun(training, tokens: options.tokens, communicator: SingleRank())
            try alone.warmUp(options.warmup)
            steps = try alone.measure(options.steps).steps
        }
        let model = options.training.model
        return AloneMeasurement(
            steps: steps, weightBandwidth: Ceiling.read(bytes: model.productWeightBytes),
            evaluation: try InferenceSpeed.evaluation(model, parameters: alone.parameters),
            generation: try InferenceSpeed.generation(model, parameters: alone.parameters))
    }
}

/// The measurements of one rank.
struct RankMeasurement: Codable {
    var host: String
    var batch: Int
    var samples: StepRun.Samples
    var readBandwidth: Double
    var triadBandwidth: Double
    var peakMemory: Int?
    var secondsToFirstStep: Double?
}

struct ExchangeMeasurement {
    /// If all ranks are on one machine, each counts as a machine.
    var machines: Int
    var ranksPerMachine: Int
    var sums: [AllReduceModel.Measurement]
    /// Seconds of a step of these machines.
    var bestSeconds: Double
    /// Whether the steps of the job exchange only through shared memory, so that these are different steps.
    var stepsShareMemory: Bool
    /// Seconds of the steps of a machine alone; nil if the machine is a rank.
    var machineAlone: [Double]?
}

struct AloneMeasurement {
    /// Seconds of each step; nil if there is one rank, whose steps are those of the job.
    var steps: [Double]?
    /// Bytes per second when reading as many bytes as the weights have, repeatedly.
    var weightBandwidth: Double
    var evaluation: Double
    var generation: Double
}

/// Each step's time on the rank where it took longest.
func slowest(_ ranks: [[Double]]) -> [Double] {
    ranks[0].indices.map { step in ranks.map { $0[step] }.max()! }
}

extension Communicator {
    /// Collective. Every rank's value, by rank, on all ranks.
    func gatherCoded<T: Codable>(_ value: T) throws -> [T] {
        let all = try allGather(Array(JSONEncoder().encode(value)))
        return try all.map { try JSONDecoder().decode(T.self, from: Data($0)) }
    }
}
