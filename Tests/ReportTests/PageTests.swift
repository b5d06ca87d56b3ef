import Reporting
import Testing

@testable import Report

@Suite struct PageTests {
    static func record(_ step: Int, loss: Double, phases: [String: Double] = [:]) -> TrainingRecord {
        var record = TrainingRecord(
            step: step, epoch: 1, tokens: step * 100, loss: loss, gradientNorm: 0.5, learningRate: 0.1, tokensPerSecond: 1000,
            elapsedSeconds: Double(step), clippedShare: 0.5)
        if !phases.isEmpty {
            record.cost = StepCost(phaseSeconds: phases, exchangeShare: 0.25, memory: 1 << 20, peakMemory: 1 << 21)
        }
        return record
    }

    static let start = StartRecord(
        step: 0, time: "2026-01-01", program: "1", ranks: 2, hosts: ["<host>": 2], threadsPerRank: 1, processor: "CPU", cores: 2,
        libraries: ["lib"], parameters: 10, totalSteps: 20,
        data: .init(folder: "d", level: "word", vocabulary: 5, trainingTokens: 50, validationTokens: nil, hash: "abc"))

    static let run = Run(
        name: "<run>", configuration: [("model.cell", "lstm"), ("training.clip.norm", "0.25")],
        history: MetricsHistory(
            starts: [start],
            training: [
                record(10, loss: 3, phases: ["recurrence": 0.75, "wait": 0.25]),
                record(20, loss: 2, phases: ["recurrence": 1.5, "wait": 0.5]),
            ],
            validation: [
                ValidationRecord(step: 5, epoch: 1, tokens: 9, loss: 2.5), ValidationRecord(step: 20, epoch: 1, tokens: 9, loss: 2.25),
            ],
            samples: [SampleRecord(step: 20, epoch: 1, text: "once </pre><script>alert(1)</script>")]))

    @Test func aCompletePage() {
        let page = Page([Self.run], madeBy: "me").html
        for id in [
            "perplexity", "learning-rate", "gradient-norm", "clipped", "throughput", "exchange", "memory", "phases", "samples",
            "configuration", "environment",
        ] { #expect(page.contains("id=\"\(id)\""), "\(id)") }
        #expect(page.contains("clipped above 0.25"))
        #expect(page.contains("best 9.49"))  // exp(2.25)
        #expect(page.contains("once &lt;/pre&gt;&lt;script&gt;"))
        #expect(!page.contains("<script>alert") && !page.contains("<run>") && !page.contains("<host>"))
        #expect(!page.contains("http://") && !page.contains("https://") && !page.contains("url("))
    }

    /// Of an average, how many steps it has and since when; a count that cannot be is left out.
    @Test(arguments: [(nil, nil), (0, "since step 20"), (15, "since step 5"), (21, nil)] as [(Int?, String?)])
    func theWeightsThatWereAveraged(_ steps: Int?, _ note: String?) {
        let record = ValidationRecord(step: 20, epoch: 1, tokens: 1, loss: 1, averagedSteps: steps)
        let page = Page([Run(name: "r", configuration: [], history: MetricsHistory(validation: [record]))], madeBy: "").html
        #expect(page.contains("weights averaged") == (note != nil) && note.map { page.contains($0) } != false)
    }

    /// 3 seconds of 3000 tokens are 100 ms a step of 100 tokens.
    @Test func phasesOfAnAverageStep() {
        let phases = Self.run.phases
        #expect(phases.map(\.name) == ["recurrence", "wait"])
        #expect(phases.map(\.milliseconds) == [75, 25])
    }

    /// If steps take no time according to the records, there are no shares to draw.
    @Test func phasesOfNoTimeAreLeftOut() {
        var record = Self.record(10, loss: 3, phases: ["recurrence": 0.75, "wait": 0.25])
        record.tokens = 0
        let run = Run(name: "r", configuration: [], history: MetricsHistory(training: [record]))
        #expect(run.phases.isEmpty)
        #expect(!Page([run], madeBy: "").html.contains("nan"))
    }

    @Test(arguments: [(0, 0.0), (5, 500), (10, 1000), (15, 1500), (20, 2000), (30, 3000)])
    func tokensOfASteps(_ step: Int, _ tokens: Double) { #expect(Self.run.tokens(atStep: step) == tokens) }

    @Test func severalRuns() {
        let other = Run(name: "b", configuration: [("model.cell", "gru"), ("training.clip.norm", "0.25")], history: Self.run.history)
        let page = Page([Self.run, other], madeBy: "").html
        #expect(page.contains("data-name=\"b, validation\"") && page.contains("data-name=\"&lt;run&gt;, validation\""))
        // Only what differs is in the table of differences.
        let differences = page.split(separator: "Differences")[1].split(separator: "</table>")[0]
        #expect(differences.contains("gru") && !differences.contains("clip"))
    }

    /// Of labels and values there is no perplexity, whatever an earlier version has recorded.
    @Test func labelsAndValuesHaveNoPerplexity() {
        func run(_ output: String, accuracy: Double? = nil) -> Run {
            let validation = ValidationRecord(step: 20, epoch: 1, tokens: 9, loss: 0.25, accuracy: accuracy)
            return Run(
                name: output, configuration: [("model.output", output)],
                history: MetricsHistory(training: [Self.record(10, loss: 0.5), Self.record(20, loss: 0.0625)], validation: [validation]))
        }
        let values = Page([run("values")], madeBy: "").html
        #expect(!values.contains("perplexity") && values.contains("id=\"error\""))
        #expect(values.contains("best validation error</p><strong>0.25</strong><p>mean squared, root 0.5"))
        #expect(values.contains("last training error</p><strong>0.0625</strong><p>mean squared, root 0.25"))
        #expect(values.contains("predictions trained") && !values.contains("tokens trained"))
        let labels = Page([run("tags", accuracy: 0.75)], madeBy: "").html
        #expect(!labels.contains("perplexity") && labels.contains("id=\"loss\"") && labels.contains("id=\"accuracy\""))
        #expect(labels.contains("best validation accuracy</p><strong>75.00 %</strong>"))
        // Each kind has a chart of its own.
        let all = Page([run("values"), run("class", accuracy: 0.75), Self.run], madeBy: "").html
        for id in ["error", "loss", "perplexity", "accuracy"] { #expect(all.contains("id=\"\(id)\"")) }
        #expect(all.contains("<th>best validation</th><th>last training</th>") && all.contains("best validation error: mean squared"))
    }

    /// The records of a run that has just started, or of an earlier version.
    @Test(arguments: [
        MetricsHistory(), MetricsHistory(starts: [PageTests.start]), MetricsHistory(training: [PageTests.record(10, loss: .nan)]),
        MetricsHistory(training: [PageTests.record(0, loss: 800)]),
        MetricsHistory(validation: [ValidationRecord(step: 3, epoch: 1, tokens: 1, loss: 1)]),
        MetricsHistory(samples: [SampleRecord(step: 1, epoch: 1, text: "")]),
    ])
    func littleToShow(_ history: MetricsHistory) {
        for count in 1...2 {
            let page = Page((0..<count).map { Run(name: "\($0)", configuration: [], history: history) }, madeBy: "").html
            #expect(page.hasSuffix("</html>\n"))
            #expect(!page.contains("nan") && !page.contains("inf "))
        }
    }
}
