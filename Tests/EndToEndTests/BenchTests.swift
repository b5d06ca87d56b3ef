import TestSupport
import Testing

extension CommandTests {
    struct BenchTests {
        private let sandbox: Sandbox
        init() throws { sandbox = try Sandbox() }

        /// V = 301, E = 40, H = 64, L = 2, S = 12, T = 16.
        private static let model = [
            "bench", "--vocabulary", "301", "--steps", "6", "--warmup", "1",
            "--set", "model={cell: lstm, layers: 2, embedding: 40, hidden: 64, dropout: 0.2}",
            "--set", "training={streams: 12, unroll: 16}",
        ]

        /// Not how fast anything is, but that the figures belong together and the counts are right.
        @Test(arguments: [nil, 2]) func figuresAreConsistent(ranks: Int?) throws {
            let output = try sandbox.succeed(Self.model + ["--json"], ranks: ranks)
            let report = try BenchReport(output)
            let p = ranks ?? 1
            #expect(report.hardware.ranks == p && report.hardware.machines == 1 && report.ranks.count == p)
            #expect(report.ranks.map(\.rank) == Array(0..<p))
            #expect(report.ranks.reduce(0) { $0 + $1.streams } == 12)

            // By hand: of 192 rows each layer has products with [40 or 64, 256] and [64, 256], the output with [64, 301].
            let expected = [
                "projection": 2 * 192 * 256 * (40 + 64),
                "recurrence": 2 * 2 * 192 * 256 * 64,
                "recurrenceBackward": 2 * 2 * 180 * 256 * 64,
                "weightGradients": 2 * 192 * 256 * (40 + 64 + 64 + 64),
                "projectionBackward": 2 * 192 * 256 * (40 + 64),
                "output": 2 * 192 * 301 * 64,
                "outputBackward": 2 * 2 * 192 * 301 * 64,
            ]
            for phase in report.phases {
                #expect(phase.productOperations == expected[phase.name] ?? 0, "\(phase.name)")
                #expect((phase.operationsPerSecond != nil) == (expected[phase.name] != nil), "\(phase.name)")
            }
            #expect(report.step.productOperations == expected.values.reduce(0, +))

            // Phases and step are timed by different clocks.
            let steps = report.ranks.reduce(0) { $0 + $1.meanStepSeconds } / Double(p)
            let phases = report.phases.reduce(0) { $0 + $1.meanSeconds }
            #expect(abs(phases - steps) < 0.05 * steps + 0.001)
            for phase in report.phases { #expect(phase.meanSeconds > 0, "\(phase.name)") }

            let step = report.step
            #expect(step.measured == 6 && step.tokens == 192)
            #expect(step.bestSeconds <= step.medianSeconds && step.bestSeconds <= step.meanSeconds)
            #expect(isClose(step.tokensPerSecond, 192 / step.medianSeconds))
            #expect(isClose(step.operationsPerSecond, Double(step.productOperations) / step.medianSeconds))
            // Medians of ratios and ratios of medians: the same when nothing disturbs, and never far apart.
            let share = step.operationsPerSecond / report.hardware.peakPerCore / Double(p)
            #expect((0.2...5).contains(step.shareOfPeak / share))
            #expect((0.2...5).contains(step.tokensPerSecondAtPeak * step.shareOfPeak / step.tokensPerSecond))
            #expect(step.shareOfCachedProduct > 0)
            #expect(report.hardware.peakPerCore > 1e8 && report.hardware.cachedProductPerCore > 1e7)
            #expect(try #require(step.peakMemoryBytes) > 1 << 20)
            #expect(try #require(step.secondsToFirstStep) > 0)
            // Ranks of one machine: a warm step allocates nothing of its own.
            #expect(try #require(step.allocationsPerStep) >= 0 && step.ownAllocationsPerStep == 0)
            let slowest = report.ranks.max { $0.computeSeconds < $1.computeSeconds }
            #expect(report.slowestRank == slowest?.rank)

            let inference = try #require(report.inference)
            #expect(inference.weightBytes == 4 * (256 * (40 + 64 + 64 + 64) + 301 * 64))
            #expect(isClose(inference.evaluationShare, inference.evaluationTokensPerSecond / inference.boundTokensPerSecond))
            #expect(isClose(inference.generationShare, inference.generationTokensPerSecond / inference.boundTokensPerSecond))

            #expect(report.scaling.count == (p > 1 ? 4 : 3))
            for prediction in report.scaling {
                #expect(prediction.points.map(\.machines) == [2, 4, 8, 16, 32, 64, 128, 256])
                #expect(prediction.points.allSatisfy { isClose($0.efficiency, prediction.machineSeconds / $0.stepSeconds) })
                #expect(zip(prediction.points, prediction.points.dropFirst()).allSatisfy { $0.efficiency >= $1.efficiency })
                #expect(prediction.points[0].efficiency < 1)
                // 256 times 192 tokens touch all rows; the text is random and the sample may lack one.
                let whole = 4 * (301 * 40 + 8 + 256 * (40 + 64 + 2) + 256 * (64 + 64 + 2) + 301 * 64 + 304)
                #expect(prediction.points[0].sentBytes < prediction.points[7].sentBytes)
                #expect((whole - 10 * 160...whole).contains(prediction.points[7].sentBytes))
            }

            #expect((report.exchange != nil) == (p > 1) && (step.efficiency != nil) == (p > 1))
            if let exchange = report.exchange, let alone = step.bestSecondsAlone {
                // Padded to 64 bytes each: all sizes but 301 are multiples of 16 floats.
                let parameters = 301 * 40 + 256 * (40 + 64 + 2) + 256 * (64 + 64 + 2) + 301 * 64 + 304
                let aligned = [301 * 40, 301 * 64].reduce(parameters) { $0 + (16 - $1 % 16) % 16 }
                #expect(exchange.gradientBytes == 4 * aligned)
                // All but the embedding, and of that the rows of 192 tokens drawn from 301: about 142.
                let rows = (exchange.sentBytes - 4 * (aligned - 301 * 40 - 8)) / (4 * 40)
                #expect((exchange.sentBytes - 4 * (aligned - 301 * 40 - 8)) % (4 * 40) == 0 && (120...160).contains(rows))
                #expect(exchange.sums.first?.bytes == 1024 && exchange.sums.last?.bytes == exchange.gradientBytes)
                let modelled = exchange.check.predictedSeconds - alone
                let whole = try #require(exchange.sums.last?.modelSeconds)
                #expect(modelled > 0 && modelled < 2 * whole)
                #expect(isClose(exchange.check.error, exchange.check.predictedSeconds / exchange.check.measuredSeconds - 1))
                #expect(isClose(step.efficiencyOfBest!, alone / step.bestSeconds))
                #expect(isClose(step.efficiency!, step.medianSecondsAlone! / step.medianSeconds))
            }
        }

        private func isClose(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-9 * max(1, abs(b)) }

        /// Two machines, played by one: the gradient goes between them, and the step of one machine is measured, too.
        @Test(arguments: [1, 2]) func severalMachines(ranksPerMachine: Int) throws {
            let outcome = try Launch.mpirun(
                ranks: 2 * ranksPerMachine, Launch.product("lockstep"),
                Self.model + ["--json", "--set", "exchange.overlap=\(ranksPerMachine == 1)"],
                environment: ["LOCKSTEP_RANKS_PER_MACHINE": "\(ranksPerMachine)"], folder: sandbox.folder)
            try #require(outcome.status == 0, "\(outcome.errors)")
            let report = try BenchReport(outcome.output)
            #expect(report.hardware.ranks == 2 * ranksPerMachine && report.hardware.machines == 2)
            let exchange = try #require(report.exchange)
            #expect(!exchange.stepsShareMemory)
            // What the model predicts knows no overlap: with it, steps without it are measured as well.
            #expect((exchange.check.measuredSeconds == report.step.bestSeconds) == (ranksPerMachine == 2))
            #expect(isClose(exchange.check.error, exchange.check.predictedSeconds / exchange.check.measuredSeconds - 1))
            #expect(report.scaling[0].points[0].sentBytes == exchange.sentBytes)
            #expect((report.scaling[0].machineSeconds == report.step.medianSecondsAlone) == (ranksPerMachine == 1))
        }

        /// Data between machines moves from and to the same buffers in every step.
        @Test(arguments: [
            "exchange={wire: float32}", "exchange={wire: bfloat16}", "exchange={overlap: false}", "exchange={sparse: false}",
            "training.reproducible_shards=12",
        ])
        func severalMachinesAllocateNothing(setting: String) throws {
            let outcome = try Launch.mpirun(
                ranks: 2, Launch.product("lockstep"),
                Self.model + ["--steps-only", "--json", "--set", setting],
                environment: ["LOCKSTEP_RANKS_PER_MACHINE": "1"], folder: sandbox.folder)
            try #require(outcome.status == 0, "\(outcome.errors)")
            #expect(try BenchReport(outcome.output).step.ownAllocationsPerStep == 0)
        }

        /// A warm step with shards, of which a rank has one node or two: sums take their operands where they lie.
        @Test(arguments: [2, 3], [false, true]) func shardsAllocateNothing(ranks: Int, tied: Bool) throws {
            let output = try sandbox.succeed(
                Self.model + ["--steps-only", "--json", "--set", "training.reproducible_shards=12"]
                    + (tied ? ["--set", "model.tied=true", "--set", "model.embedding=64"] : []),
                ranks: ranks)
            #expect(try BenchReport(output).step.ownAllocationsPerStep == 0)
        }

        @Test func textForPeople() throws {
            let text = try sandbox.succeed(
                ["bench", "--data", Shared.corpus, "--steps", "2", "--link", "25,10"] + Array(Sandbox.small.dropFirst(2)))
            for word in ["tokens/s", "recurrence backward", "of peak", "25 Gbit/s, 10 us", "vocabulary 57", "generation"] {
                #expect(text.contains(word), "\(word)")
            }
        }

        @Test func stepsAlone() throws {
            let report = try BenchReport(sandbox.succeed(Self.model + ["--steps-only", "--json"], ranks: 2))
            #expect(report.ranks.count == 2 && report.step.tokens == 192)
            #expect(report.exchange == nil && report.inference == nil && report.scaling.isEmpty)
            let text = try sandbox.succeed(Self.model + ["--steps-only"])
            #expect(text.contains("tokens/s") && !text.contains("generation"))
        }

        /// Steps of an epoch's end, shorter than the others, are not among those measured.
        @Test func everyStepIsComplete() throws {
            let text = try sandbox.write(String(repeating: "to be or not to be, ", count: 12), to: "text.txt")
            try sandbox.succeed(["prepare", "--train", text, "--valid", text, "--test", text, "--level", "char", "--output", "data"])
            // 239 predictions in 4 streams: 59 each, one chunk of 40 and 19 left over.
            let settings = ["--set", "model={layers: 1, embedding: 8, hidden: 8}", "--data", "data", "--steps", "4", "--json"]
            let report = try BenchReport(
                sandbox.succeed(["bench", "--set", "training={streams: 4, unroll: 40}"] + settings))
            #expect(report.step.tokens == 160)
            let outcome = try sandbox.lockstep(["bench", "--set", "training={streams: 4, unroll: 60}"] + settings)
            #expect(outcome.status == 64)
            #expect(outcome.errors.contains("too short") && outcome.errors.contains("241"), "\(outcome.errors)")
        }

        @Test(arguments: [
            (["--vocabulary", "0"], "--vocabulary"), (["--steps", "0"], "--steps"), (["--link", "fast"], "fast"),
            (["--data", "x", "--vocabulary", "9"], "not both"), (["--set", "training.streams=100000000"], "streams"),
            (["--set", "model={hidden: 65536, embedding: 65536}"], "memory"), (["--set", "model.hiden=9"], "model.hidden"),
        ])
        func badOptionsAreRefused(options: [String], word: String) throws {
            let outcome = try sandbox.lockstep(["bench"] + options)
            #expect(outcome.status == 64)
            #expect(outcome.errors.contains(word), "\(outcome.errors)")
        }

        /// One stream on two ranks, which cannot have streams of their own.
        @Test func sharedUnitsAreMeasured() throws {
            let report = try BenchReport(
                sandbox.succeed(
                    Self.model + ["--json", "--set", "training.streams=1", "--set", "exchange.split=units"], ranks: 2))
            #expect(report.step.ownAllocationsPerStep == 0 && report.exchange == nil)
            let splits = try #require(report.splits)
            #expect(splits.measuredStreams == nil && splits.measuredUnits == report.step.bestSeconds)
            #expect(splits.points.map(\.cores) == [2, 8, 16, 64, 128])
            #expect(splits.points.allSatisfy { $0.streams == nil && $0.units > 0 })
            #expect(splits.meetingSeconds > 0 && splits.meetingsPerStep > 4)
        }

        @Test func moreRanksThanStreamsAreRefused() throws {
            let outcome = try sandbox.lockstep(Self.model + ["--set", "training.streams=1"], ranks: 2)
            #expect(outcome.status == 64)
            #expect(outcome.errors.contains("fewer streams than ranks"), "\(outcome.errors)")
        }
    }
}
