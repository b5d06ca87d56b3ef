import Collectives
import Kernels
import Optimization
import Recurrent
import Training

/// Both ways to share out the work of a machine (`exchange.split`): measured on the ranks of this job, and for more cores what one of
/// their ranks would compute, measured on one core.
struct SplitMeasurement {
    /// Seconds of a rank's step, of which only the update and what the ranks do together are left out.
    struct Share {
        var cores: Int
        /// Nil where there are fewer streams than cores.
        var streams: Double?
        var units: Double
    }

    /// Best steps of all ranks; streams nil if there are too few.
    var streams: Double?
    var units: Double
    /// Of the ranks here, then of others.
    var shares: [Share] = []
    /// Seconds of the update on one core, and those in which the ranks here meet once.
    var update = 0.0
    var meeting: Double
    var meetingsPerStep = 0

    static let cores = [8, 16, 64, 128]

    /// Collective among the ranks of one machine.
    /// - Parameter steps: seconds of the job's steps, as already measured with its split.
    init(_ options: BenchmarkOptions, steps: [Double], communicator: any Communicator) throws {
        let (size, streams) = (communicator.size, options.training.streams)
        let isShared = options.training.teamSize > 1
        var other: Double?
        if !isShared || streams >= size {
            var training = options.training
            training.exchange.split = isShared ? .streams : .units
            training.exchange.team = .machine
            let run = try StepRun(training, tokens: options.tokens, communicator: communicator)
            try run.warmUp(options.warmup)
            other = slowest(try communicator.gatherCoded(run.measure(options.steps).steps)).min()!
        }
        (self.streams, units) = isShared ? (other, steps.min()!) : (steps.min()!, other!)
        meeting = try SplitMeasurement.meeting(communicator)
        let alone = try communicator.together("measuring shares of the work") {
            communicator.rank == 0 ? try SplitMeasurement.shares(options, cores: [size] + SplitMeasurement.cores) : nil
        }
        guard let alone else { return }
        (shares, update, meetingsPerStep) = alone
    }

    /// Collective. Seconds in which the ranks of a team meet once.
    private static func meeting(_ communicator: any Communicator) throws -> Double {
        let team = try Team(communicator)
        let clock = PhaseClock()
        let times = 500
        return try (0..<5).map { _ in
            try timed { for _ in 0..<times { try team.meet(clock) } } / Double(times)
        }.min()!
    }

    private static func shares(_ options: BenchmarkOptions, cores: [Int]) throws -> ([Share], update: Double, meetings: Int) {
        var (updates, meetings) = ([Double](), 0)
        /// - Parameter packers: ranks that pack the weights together, of which this one packs all.
        func seconds(streams: Int, team: Int, packers: Int) throws -> Double {
            var training = options.training
            training.streams = streams
            // The gradient of a rank without its team is none.
            training.schedule = LearningRateSchedule(.constant, base: 0, steps: training.totalSteps)
            let run = try StepRun(training, tokens: options.tokens, communicator: SingleRank(), team: team)
            try run.warmUp(1)
            let samples = try run.measure(max(3, options.steps / 4))
            if team > 1 { meetings = run.meetingsPerStep }
            let apart = [PhaseClock.Phase.update, .wait, .exchange, .other].map { Int($0.rawValue) }
            updates.append(samples.phases.map { $0[apart[0]] }.min()!)
            let packing = Int(PhaseClock.Phase.packing.rawValue)
            return samples.phases.map { phases in
                let others = Double(packers - 1) / Double(packers) * phases[packing]
                return phases.reduce(0, +) - apart.reduce(0) { $0 + phases[$1] } - others
            }.min()!
        }
        let all = options.training.streams
        let shares = try cores.map { cores in
            Share(
                cores: cores, streams: cores > all ? nil : try seconds(streams: (all + cores - 1) / cores, team: 1, packers: cores),
                units: try seconds(streams: all, team: cores, packers: 1))
        }
        return (shares, updates.min()!, meetings)
    }
}

extension BenchmarkReport {
    /// Both splits on one machine; best steps, seconds.
    package struct Splits: Codable, Sendable {
        /// Of this job's ranks. Nil if there are fewer streams than ranks.
        package var measuredStreams: Double?
        package var measuredUnits: Double
        /// Seconds in which these ranks meet once.
        package var meetingSeconds: Double
        package var meetingsPerStep: Int
        /// Of the ranks of this job first.
        package var points: [Point]

        package struct Point: Codable, Sendable {
            package var cores: Int
            package var streams: Double?
            package var units: Double
        }
    }
}

extension BenchmarkReport.Splits {
    /// A rank's share of the work, then its part of the update; with streams the sum of all ranks' gradients too, of which each
    /// rank reads its part; with units the meetings, which take a round for each doubling of the ranks.
    /// - Parameter bandwidth: bytes per second that each rank reads.
    init(_ measured: SplitMeasurement, gradientBytes: Int, bandwidth: Double) {
        func rounds(_ ranks: Int) -> Double { Double(Int.bitWidth - (ranks - 1).leadingZeroBitCount) }
        let ranks = measured.shares.first?.cores ?? 2
        self.init(
            measuredStreams: measured.streams, measuredUnits: measured.units, meetingSeconds: measured.meeting,
            meetingsPerStep: measured.meetingsPerStep,
            points: measured.shares.map { share in
                let update = measured.update / Double(share.cores)
                let meetings = Double(measured.meetingsPerStep) * measured.meeting * rounds(share.cores) / rounds(ranks)
                return Point(
                    cores: share.cores, streams: share.streams.map { $0 + update + Double(gradientBytes) / bandwidth },
                    units: share.units + update + meetings)
            })
    }
}
