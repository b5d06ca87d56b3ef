import Collectives
import Corpus
import Kernels
import Recurrent
import Training

/// A training run that times each step, phase by phase.
final class StepRun {
    /// The measurements of one rank.
    struct Samples: Codable {
        /// Seconds of each step, measured by another clock than the phases.
        var steps: [Double]
        /// Seconds of each step in each phase, by raw value.
        var phases: [[Double]]
        /// What the core could do before each step and after the last.
        var ceilings: [CeilingSampler.Sample]
        /// Tokens trained by all ranks in all measured steps.
        var tokens: Int
        /// Rows of the lowest layer's input in the forward and in the backward passes of all measured steps (`Network.inputRows`).
        var inputRows: [Int]
        /// Allocations in all measured steps together; nil if they cannot be counted.
        var allocations: AllocationCount?
    }

    private let options: TrainingOptions
    private let communicator: any Communicator
    private let sampler: CeilingSampler
    private let step: TrainingStep
    private let partition: StreamPartition
    private let streams: Range<Int>
    private let batches: any BatchSource
    private var done = 0
    private var trained = 0
    private var inputRows = (forward: 0, backward: 0)

    /// Collective: afterwards the first step can start. The unroll length must be fixed.
    /// - Parameter team: measures one rank of a team of this size, without the others; nil for what `exchange.split` says.
    /// - Throws: `BenchmarkError.textTooShort`; `PartitionError`, `KernelError`, transport errors.
    init(_ options: TrainingOptions, tokens: TokenStore, communicator: any Communicator, team: Int? = nil) throws {
        var options = options
        if let team { options.team = TeamPlace(withoutOthersOf: team) } else { try options.decideSplit(communicator) }
        self.options = options
        self.communicator = communicator
        sampler = try CeilingSampler()
        partition = try StreamPartition(
            tokens: tokens.count, streams: options.streams, remainder: .dropped, name: tokens.path,
            setting: "training.streams")
        guard partition.steps >= options.unroll.maximumLength else {
            throw BenchmarkError.textTooShort(
                path: tokens.path, tokens: tokens.count, needed: options.streams * options.unroll.maximumLength + 1)
        }
        streams = try options.streams(of: communicator)
        step = try TrainingStep(options, communicator: communicator, streams: streams)
        if step.fillsParameters { step.parameters.initialise(seed: options.seed) }
        batches = try StreamBatches(tokens, partition: partition, streams: streams, unroll: options.unroll)
        try step.begin()
    }

    /// B.
    var batch: Int { streams.count }
    var parameters: Arena { step.parameters }
    /// Of the ranks of a team, in each step so far.
    var meetingsPerStep: Int { step.meetings / max(1, done) }

    /// Collective. Steps that are not measured.
    func warmUp(_ count: Int) throws { for _ in 0..<count { try takeStep() } }

    /// Collective.
    func measure(_ count: Int) throws -> Samples {
        let clock = self.step.clock
        let phases = clock.nanoseconds.count
        let before = trained
        inputRows = (0, 0)
        // Nanoseconds of each phase during each step.
        var elapsed = [UInt64](repeating: 0, count: count * phases)
        var seconds = [Double](repeating: 0, count: count)
        var ceilings = [CeilingSampler.Sample](repeating: .init(peak: 0, cachedProduct: 0), count: count + 1)
        let step = takeStep  // a closure is an allocation of its own
        // All ranks sample at the same time, since cores share power and caches; none is still at it when a step begins.
        try communicator.barrier()
        let allocations = try AllocationCount.during {
            for k in 0..<count {
                ceilings[k] = try sampler.sample()
                try communicator.barrier()
                clock.enter(.other)
                for phase in 0..<phases { elapsed[k * phases + phase] &-= clock.nanoseconds[phase] }
                seconds[k] = try timed(step)
                clock.enter(.other)
                for phase in 0..<phases { elapsed[k * phases + phase] &+= clock.nanoseconds[phase] }
            }
        }
        ceilings[count] = try sampler.sample()
        let times = (0..<count).map { k in (0..<phases).map { Double(elapsed[k * phases + $0]) * 1e-9 } }
        return Samples(
            steps: seconds, phases: times, ceilings: ceilings, tokens: trained - before,
            inputRows: [inputRows.forward, inputRows.backward], allocations: allocations)
    }

    private func takeStep() throws {
        // Leaves out the short chunk at the end of an epoch, so that all steps are alike.
        if partition.steps - batches.position.offset < options.unroll.maximumLength { try batches.seek(DataPosition()) }
        done += 1
        let outcome = try step.run(done, from: batches, schedule: options.schedule, signals: StepSignals())
        trained += outcome.signals.loss.tokens
        inputRows.forward += step.inputRows.forward
        inputRows.backward += step.inputRows.backward
    }
}
