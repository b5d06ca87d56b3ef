import Foundation
import Reporting
import Testing

@Suite struct MetricsHistoryTests {
    @Test func readsWhatTheLogWrote() throws {
        let folder = try TemporaryFolder()
        let log = try MetricsLog(path: folder.metrics)
        var full = record(step: 20)
        full.clippedShare = 0.5
        full.cost = StepCost(phaseSeconds: ["wait": 0.25], exchangeShare: 0.2, memory: 4096, peakMemory: nil)
        let validation = ValidationRecord(step: 20, epoch: 1, tokens: 5, loss: 1.25)
        let sample = SampleRecord(step: 20, epoch: 1, text: "</script>\n")
        for record in [
            .start(start(step: 0)), .training(record(step: 10)), .training(full), .validation(validation), .sample(sample),
        ] as [MetricsRecord] { try log.append(record) }

        let history = try MetricsHistory(path: folder.metrics)
        #expect(history.starts == [start(step: 0)])
        #expect(history.training == [record(step: 10), full])
        #expect(history.validation == [validation])
        #expect(history.samples == [sample])
        #expect(!history.isCutShort)
    }

    @Test func nullIsNotANumber() throws {
        let folder = try TemporaryFolder()
        try MetricsLog(path: folder.metrics).append(.training(record(step: 1, loss: .infinity)))
        #expect(try MetricsHistory(path: folder.metrics).training[0].loss.isNaN)
    }

    @Test(arguments: ["", #"{"kind":"valid"#])
    func emptyAndCutShort(_ end: String) throws {
        let history = try read(end)
        #expect(history.isCutShort == !end.isEmpty)
        #expect(history.training.isEmpty)
    }

    /// A reader skips what a later version adds.
    @Test func unknownKindsAndKeys() throws {
        let history = try read(
            #"{"kind":"soup","step":"hot"}"# + "\n" + #"{"kind":"validation","step":1,"epoch":1,"tokens":2,"loss":3,"perplexity":20,"new":[]}"# + "\n")
        #expect(history.validation == [ValidationRecord(step: 1, epoch: 1, tokens: 2, loss: 3)])
    }

    @Test(arguments: [
        ("soup", "line 2: not a record of metrics; expected a JSON object as in docs/file-formats.md, found no JSON"),
        ("[1]", "found something else"), ("{}", "found no kind"), ("", "found no JSON"),
        (#"{"kind":"sample","step":2,"epoch":1}"#, "found no text"),
        (#"{"kind":"validation","step":2.5,"epoch":1,"tokens":1,"loss":1}"#, "found no JSON, or a number that does not fit"),
        (#"{"kind":"validation","step":2,"epoch":1,"tokens":1,"loss":"x"}"#, "another type at loss"),
        (#"{"kind":"validation","step":2,"epoch":1,"tokens":-1,"loss":1}"#, "line 2, tokens: not a count; expected 0 to 2^53, found -1"),
        (
            #"{"kind":"validation","step":9007199254740993,"epoch":1,"tokens":1,"loss":1}"#,
            "line 2, step: not a count; expected 0 to 2^53, found 9007199254740993"
        ),
        (
            #"{"kind":"validation","step":0,"epoch":1,"tokens":1,"loss":1}"#,
            "line 2: a step after a later one; expected 1 or later, found 0"
        ),
    ])
    func refusals(_ line: String, _ message: String) throws {
        let first = #"{"kind":"validation","step":1,"epoch":1,"tokens":1,"loss":1}"#
        let error = try #require(throws: MetricsError.self) { try read("\(first)\n\(line)\n") }
        #expect("\(error)".contains("metrics.jsonl, line 2"))
        #expect("\(error)".contains(message))
    }

    private func read(_ text: String) throws -> MetricsHistory {
        let folder = try TemporaryFolder()
        try text.write(toFile: folder.metrics, atomically: false, encoding: .utf8)
        return try MetricsHistory(path: folder.metrics)
    }
}
