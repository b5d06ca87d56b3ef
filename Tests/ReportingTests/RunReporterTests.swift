import Foundation
import Glibc
import Testing

@testable import Reporting

@Suite struct RunReporterTests {
    @Test func plainLinesAndMetrics() throws {
        let folder = try TemporaryFolder()
        let channel = Channel.pipe()
        let reporter = RunReporter(
            metrics: try MetricsLog(path: folder.metrics), totalSteps: 31000, totalEpochs: 12,
            console: Console(descriptor: channel.far))
        reporter.note("4 ranks")
        reporter.trained(record(step: 1200, loss: 1.8325))
        reporter.trained(record(step: 31000, loss: 0.25))
        reporter.validated(ValidationRecord(step: 31000, epoch: 12, tokens: 217_646, loss: 1.5))
        reporter.validated(ValidationRecord(step: 31000, epoch: 12, tokens: 9, loss: 1.5, averagedSteps: 0))
        reporter.validated(ValidationRecord(step: 31000, epoch: 12, tokens: 9, loss: 1.5, averagedSteps: 1200))
        reporter.saved(step: 31000, folder: "runs/a/checkpoints/step-000031000", isBest: true)
        reporter.warning("odd")
        reporter.finished()
        #expect(
            channel.read(until: "odd\n") == """
                4 ranks
                step  1200/31000  epoch  2/12  loss 1.833  ppl   6.25  11.2k tok/s  1h30m left
                step 31000/31000  epoch  2/12  loss 0.250  ppl   1.28  11.2k tok/s  0s left
                step 31000/31000  epoch 12/12  validation loss 1.5000  ppl 4.48  217,646 tokens
                step 31000/31000  epoch 12/12  validation loss 1.5000  ppl 4.48  9 tokens
                step 31000/31000  epoch 12/12  validation loss 1.5000  ppl 4.48  9 tokens  average of 1,200 steps
                saved step 31000, the best so far, in runs/a/checkpoints/step-000031000
                warning: odd

                """)
        #expect(try steps(folder) == [1200, 31000, 31000, 31000, 31000])
    }

    /// Labels and values have no perplexity.
    @Test func linesOfLabelsAndValues() throws {
        let folder = try TemporaryFolder()
        let channel = Channel.pipe()
        let reporter = RunReporter(
            metrics: try MetricsLog(path: folder.metrics), totalSteps: 40, totalEpochs: nil, console: Console(descriptor: channel.far))
        for (measure, accuracy) in [(LossMeasure.labels, 0.975), (.values, nil)] as [(LossMeasure, Double?)] {
            var training = record(step: 40, loss: 0.0625)
            training.measure = measure
            reporter.trained(training)
            reporter.validated(ValidationRecord(step: 40, epoch: 2, tokens: 12, loss: 0.25, measure: measure, accuracy: accuracy))
        }
        reporter.finished()
        #expect(
            channel.read(until: "12 predictions\n") == """
                step 40/40  epoch 2  loss 0.062  11.2k labels/s  0s left
                step 40/40  epoch 2  validation loss 0.2500  accuracy 97.50 %  12 labels
                step 40/40  epoch 2  loss 0.062500  rmse 0.2500  11.2k predictions/s  0s left
                step 40/40  epoch 2  validation loss 0.250000  rmse 0.5000  12 predictions

                """)
    }

    /// What a narrow terminal leaves out: the epoch first, the step last.
    @Test(arguments: LossMeasure.allCases) func theFieldsInTheirOrder(measure: LossMeasure) {
        var training = record(step: 20)
        training.measure = measure
        let fields = ProgressLine(totalSteps: 40, totalEpochs: nil).fields(of: training)
        let order = ProgressLine.order(measure)
        #expect(order.sorted() == Array(fields.indices))
        #expect(fields[order[0]].hasPrefix("step") && fields[order[1]].hasSuffix("left") && fields[order[2]].hasPrefix("loss"))
        #expect(fields[order.last!].hasPrefix("epoch"))
    }

    /// `training.steps` ends a run whatever `training.epochs` says.
    @Test func epochsHaveNoTotalWhereStepsDecide() throws {
        let folder = try TemporaryFolder()
        let channel = Channel.pipe()
        let reporter = RunReporter(
            metrics: try MetricsLog(path: folder.metrics), totalSteps: 2000, totalEpochs: nil,
            console: Console(descriptor: channel.far))
        reporter.validated(ValidationRecord(step: 1200, epoch: 2, tokens: 10, loss: 1.5))
        reporter.finished()
        #expect(channel.read(until: "tokens\n") == "step 1200/2000  epoch 2  validation loss 1.5000  ppl 4.48  10 tokens\n")
    }

    /// A long validation as a person sees it; the numbers of the training return afterwards.
    @Test(.enabled(if: Channel.terminal(columns: 80) != nil)) func validationShowsItself() throws {
        let folder = try TemporaryFolder()
        let channel = try #require(Channel.terminal(columns: 80))
        let start = ContinuousClock.now
        var seconds = 0.0
        let reporter = RunReporter(
            metrics: try MetricsLog(path: folder.metrics), totalSteps: 31000, totalEpochs: 12,
            console: Console(descriptor: channel.far, environment: { _ in nil }), now: { start + .seconds(seconds) })
        reporter.trained(record(step: 1200))
        usleep(120_000)  // The console draws ten times a second.
        for (second, share) in [(0.5, 0.123), (1.6, 0.456)] {
            seconds = second
            reporter.validating(share: share)
        }
        reporter.validated(ValidationRecord(step: 1200, epoch: 2, tokens: 217_646, loss: 1.5))
        reporter.warning("end")
        reporter.finished()
        let shown = channel.read(until: "left\r\n")
        #expect(shown.contains("\r\u{1B}[Kstep  1200/31000  epoch  2/12  validating 46 %"), "\(shown)")
        #expect(!shown.contains("12 %"), "soon over is not worth a line")
        #expect(shown.suffix(90).contains("loss 1.500"), "\(shown)")
    }

    @Test(.enabled(if: Channel.terminal(columns: 80) != nil)) func longWorkShowsItself() throws {
        let channel = try #require(Channel.terminal(columns: 80))
        let start = ContinuousClock.now
        var seconds = 0.0
        let console = Console(descriptor: channel.far, environment: { _ in nil })
        let line = ShareLine("evaluating", console: console, now: { start + .seconds(seconds) })
        for (second, share) in [(0.5, 0.1), (2, 0.25)] {
            seconds = second
            line.update(share)
        }
        line.finish()
        console.print("end")
        let clear = ConsoleTests.clear
        #expect(channel.read(until: "end\r\n") == "\(clear)evaluating  25 %  6s left\(clear)\(clear)end\r\n")
    }

    @Test func longWorkInALog() {
        let channel = Channel.pipe()
        let start = ContinuousClock.now
        var seconds = 0
        let console = Console(descriptor: channel.far)
        let line = ShareLine("evaluating", console: console, now: { start + .seconds(seconds) })
        for second in 0...20 {
            seconds = second
            line.update(Double(second) / 40)
        }
        line.finish()
        console.print("end")
        let lines = channel.read(until: "end\n").split(separator: "\n")
        #expect(lines.first == "evaluating  25 %  30s left" && lines.count == 7, "\(lines)")
    }

    /// A record a second for three hours: no log of ten thousand lines, but all of them in the metrics.
    @Test func linesBecomeRarerInALog() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/log"
        let log = open(path, O_WRONLY | O_CREAT, 0o644)
        defer { close(log) }
        let start = ContinuousClock.now
        var seconds = 0
        let reporter = RunReporter(
            metrics: try MetricsLog(path: folder.metrics), totalSteps: 10_800, totalEpochs: 12,
            console: Console(descriptor: log), now: { start + .seconds(seconds) })
        for step in 1...10_800 {
            seconds = step
            reporter.trained(record(step: step))
        }
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let printed = text.split(separator: "\n").compactMap { Int($0.dropFirst(5).prefix { $0 != "/" }.filter(\.isNumber)) }
        #expect(printed.prefix(4) == [1, 3, 5, 7])
        #expect(zip(printed, printed.dropFirst()).allSatisfy { $1 - $0 <= 60 })
        #expect(printed.last == 10_800)
        #expect((200...300).contains(printed.count), "\(printed.count)")
        #expect(try steps(folder).count == 10_800)
    }

    @Test func valuesThatAreNotNumbers() throws {
        let folder = try TemporaryFolder()
        let channel = Channel.pipe()
        let reporter = RunReporter(
            metrics: try MetricsLog(path: folder.metrics), totalSteps: 10, totalEpochs: 1,
            console: Console(descriptor: channel.far))
        var bad = record(step: 0, loss: .nan)
        bad.tokensPerSecond = 0
        reporter.trained(bad)
        reporter.trained(record(step: 20, loss: 800))
        #expect(
            channel.read(until: "0s left\n") == """
                step  0/10  epoch 2/1  loss nan  ppl    nan    0.0 tok/s
                step 20/10  epoch 2/1  loss 800.000  ppl    inf  11.2k tok/s  0s left

                """)
    }

    /// In a process of its own, where a limit on file sizes plays the full disk.
    @Test func aFullDiskCostsOneWarning() async {
        await #expect(processExitsWith: .success) {
            let folder = try TemporaryFolder()
            let channel = Channel.pipe()
            let reporter = RunReporter(
                metrics: try MetricsLog(path: folder.metrics), totalSteps: 10, totalEpochs: 1,
                console: Console(descriptor: channel.far))
            signal(SIGXFSZ, SIG_IGN)
            var none = rlimit(rlim_cur: 0, rlim_max: 1 << 30)
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &none)
            for step in 1...3 { reporter.trained(record(step: step)) }
            reporter.note("end")
            let lines = channel.read(until: "end\n").split(separator: "\n")
            #expect(lines.count == 3, "the first record, one warning, the note")
            #expect(lines.filter { $0.hasPrefix("warning:") && $0.contains("cannot write: File too large") }.count == 1)
        }
    }
}

@Suite struct FormattingTests {
    @Test(
        arguments: [
            (0, "0s"), (59.4, "59s"), (59.6, "1m00s"), (250, "4m10s"), (3599, "59m59s"), (3600, "1h00m"),
            (11_100, "3h05m"),
            (86_400, "1d00h"), (270_000, "3d03h"), (-1, "?"), (.nan, "?"), (.infinity, "?"), (1e300, "?"),
        ] as [(Double, String)])
    func durations(_ seconds: Double, _ text: String) { #expect(Formatting.duration(seconds: seconds) == text) }

    @Test(arguments: [
        (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_572_864, "1.5 MiB"), (3_435_973_837, "3.2 GiB"),
        (Int.max, "8589934592.0 GiB"), (Int.min, "-8589934592.0 GiB"),
    ])
    func bytes(_ count: Int, _ text: String) { #expect(Formatting.bytes(count) == text) }

    @Test(arguments: [
        (0, "0"), (999, "999"), (1000, "1,000"), (2_088_628, "2,088,628"), (-1000, "-1,000"), (-999, "-999"),
        (Int.min, "-9,223,372,036,854,775,808"),
    ])
    func counts(_ number: Int, _ text: String) { #expect(Formatting.count(number) == text) }

    @Test(arguments: [(2.5, "2.5"), (950, "950"), (11_200, "11.2k"), (1_230_000, "1.2M")])
    func rates(_ rate: Double, _ text: String) { #expect(Formatting.rate(rate) == text) }

    @Test(
        arguments: [
            (6.254, "6.25"), (142.07, "142.1"), (33_278, "33278"), (1.234e9, "1.2e+09"), (.infinity, "inf"),
            (.nan, "nan"),
        ] as [(Double, String)])
    func perplexities(_ value: Double, _ text: String) { #expect(Formatting.perplexity(value) == text) }

    /// Digits that mean nothing are not shown.
    @Test func hugeNumbersAreScientific() {
        #expect(Formatting.fixed(999_999_999_999_999, decimals: 1) == "999999999999999.0")
        #expect(Formatting.fixed(1.7976931348623157e308, decimals: 4) == "1.7977e+308")
        #expect(Formatting.fixed(-3.5e30, decimals: 2) == "-3.50e+30")
    }
}
