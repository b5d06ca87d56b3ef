import Foundation
import Glibc
import Reporting
import Testing

@Suite struct MetricsLogTests {
    @Test func trainingRecordHasExactlyTheDocumentedKeys() throws {
        let folder = try TemporaryFolder()
        let log = try MetricsLog(path: folder.metrics)
        try log.append(.training(record(step: 10, loss: 0)))
        var clipped = record(step: 20, loss: 0)
        clipped.clippedShare = 0.5
        clipped.cost = StepCost(phaseSeconds: ["wait": 0.25, "other": 1], exchangeShare: 0.2, memory: 4096, peakMemory: 8192)
        try log.append(.training(clipped))
        #expect(
            try folder.contents() == """
                {"elapsed_seconds":12.5,"epoch":2,"gradient_norm":0.75,"kind":"train","learning_rate":0.002,"loss":0,"perplexity":1,"step":10,"tokens":20480,"tokens_per_second":11200}
                {"clipped_share":0.5,"elapsed_seconds":12.5,"epoch":2,"exchange_share":0.2,"gradient_norm":0.75,"kind":"train","learning_rate":0.002,"loss":0,"memory_bytes":4096,"peak_memory_bytes":8192,"perplexity":1,"phase_seconds":{"other":1,"wait":0.25},"step":20,"tokens":40960,"tokens_per_second":11200}

                """)
    }

    @Test func validationRecordHasExactlyTheDocumentedKeys() throws {
        let folder = try TemporaryFolder()
        try MetricsLog(path: folder.metrics).append(.validation(ValidationRecord(step: 10, epoch: 1, tokens: 217_646, loss: 0)))
        #expect(
            try folder.contents()
                == #"{"epoch":1,"kind":"validation","loss":0,"perplexity":1,"step":10,"tokens":217646}"# + "\n")
        let averaged = MetricsRecord.validation(ValidationRecord(step: 10, epoch: 1, tokens: 5, loss: 0, averagedSteps: 3))
        let line = try JSONEncoder().encode(averaged)
        #expect(String(decoding: line, as: UTF8.self).contains(#""averaged_steps":3"#))
        #expect(try JSONDecoder().decode(MetricsRecord.self, from: line) == averaged)
    }

    /// A perplexity is one of tokens; values have the root of their squared error instead, and labels their accuracy.
    @Test func whatStandsBesideALossFollowsFromWhatItMeasures() throws {
        func keys(_ record: MetricsRecord) throws -> Set<String> {
            let line = try JSONEncoder().encode(record)
            #expect(try JSONDecoder().decode(MetricsRecord.self, from: line) == record)
            return Set(try #require(JSONSerialization.jsonObject(with: line) as? [String: Any]).keys)
        }
        let all = ["accuracy", "perplexity", "root_mean_squared_error"]
        for (measure, beside) in [(LossMeasure.tokens, "perplexity"), (.labels, "accuracy"), (.values, "root_mean_squared_error")] {
            var training = record(step: 10, loss: 0.25)
            training.measure = measure
            #expect(try keys(.training(training)).intersection(all) == Set([beside]).subtracting(["accuracy"]))
            let validation = ValidationRecord(
                step: 10, epoch: 1, tokens: 5, loss: 0.25, measure: measure, accuracy: measure == .labels ? 0.5 : nil)
            #expect(try keys(.validation(validation)).intersection(all) == [beside])
            #expect(validation.rootMeanSquare == (measure == .values ? 0.5 : nil))
        }
        // As earlier versions wrote it.
        let old = #"{"accuracy":0.5,"epoch":1,"kind":"validation","loss":1,"perplexity":2.7,"step":3,"tokens":5}"#
        guard case .validation(let record) = try JSONDecoder().decode(MetricsRecord.self, from: Data(old.utf8)) else {
            Issue.record("no validation")
            return
        }
        #expect(record.measure == .labels && record.perplexity == nil)
    }

    @Test func otherRecordsHaveExactlyTheDocumentedKeys() throws {
        let folder = try TemporaryFolder()
        let log = try MetricsLog(path: folder.metrics)
        try log.append(.start(start(step: 0)))
        try log.append(.sample(SampleRecord(step: 10, epoch: 1, text: "a/b\n\u{1B}ü")))
        #expect(
            try folder.contents() == #"""
                {"cores":2,"data":{"folder":"data/k","hash":"ab","level":"character","training_tokens":900,"validation_tokens":90,"vocabulary":57},"hosts":{"vm":2},"kind":"start","libraries":["a"],"parameters":1000,"processor":"CPU","program":"0.1.0","ranks":2,"step":0,"threads_per_rank":1,"time":"2026-11-21T06:49:55Z","total_steps":100}
                {"epoch":1,"kind":"sample","step":10,"text":"a/b\n\u001bü"}

                """#)
    }

    @Test func numbersThatJSONCannotHoldBecomeNull() throws {
        let folder = try TemporaryFolder()
        let log = try MetricsLog(path: folder.metrics)
        var bad = record(step: 1, loss: 1000)
        bad.gradientNorm = .infinity
        try log.append(.training(bad))
        try log.append(.validation(ValidationRecord(step: 1, epoch: 1, tokens: 1, loss: .nan)))
        let lines = try folder.contents().split(separator: "\n").map {
            try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
        #expect(lines[0]["loss"] as? Double == 1000)
        #expect(lines[0]["perplexity"] is NSNull)
        #expect(lines[0]["gradient_norm"] is NSNull)
        #expect(lines[1]["loss"] is NSNull)
    }

    @Test func perplexityIsTheExponentialOfTheLoss() {
        #expect(record(step: 1, loss: 2).perplexity == exp(2))
        #expect(ValidationRecord(step: 1, epoch: 1, tokens: 1, loss: 2).perplexity == exp(2))
    }

    /// A reader sees each record as soon as it is appended; a second start appends.
    @Test func appendsAtOnceAndAcrossStarts() throws {
        let folder = try TemporaryFolder()
        for start in 0..<2 {
            let log = try MetricsLog(path: folder.metrics)
            for step in 1...3 {
                try log.append(.training(record(step: start * 3 + step)))
                #expect(try steps(folder) == Array(1...(start * 3 + step)))
            }
        }
    }

    @Test func resumeLeavesNoDuplicatesAndNoGaps() throws {
        let folder = try TemporaryFolder()
        var log = try MetricsLog(path: folder.metrics)
        for step in 1...5 {
            try log.append(.training(record(step: step * 10)))
            try log.append(.validation(ValidationRecord(step: step * 10, epoch: 1, tokens: 5, loss: 1)))
        }
        log = try MetricsLog(path: folder.metrics, keepingThrough: 30)
        #expect(try steps(folder) == [10, 10, 20, 20, 30, 30])
        try log.append(.training(record(step: 40)))
        #expect(try steps(folder) == [10, 10, 20, 20, 30, 30, 40])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["metrics.jsonl"])
    }

    @Test(arguments: [#"{"kind":"train","st"#, #"{"kind":"train","step":20}"#, "\u{0}\u{0}\u{0}\n", "[1]\n", "{}\n"])
    func tornOrForeignEndIsRemoved(_ end: String) throws {
        let folder = try TemporaryFolder()
        try (#"{"kind":"train","step":10}"# + "\n" + end).write(
            toFile: folder.metrics, atomically: false, encoding: .utf8)
        let log = try MetricsLog(path: folder.metrics)
        try log.append(.training(record(step: 30)))
        #expect(try steps(folder) == [10, 30])
    }

    /// In a process of its own, where a limit on file sizes plays the full disk.
    @Test func aFailedAppendLeavesNoPartOfALine() async {
        await #expect(processExitsWith: .success) {
            let folder = try TemporaryFolder()
            let log = try MetricsLog(path: folder.metrics)
            try log.append(.training(record(step: 10)))
            signal(SIGXFSZ, SIG_IGN)
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            var small = limit
            small.rlim_cur = 250  // One record and a part of the next.
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &small)
            #expect(throws: (any Error).self) { try log.append(.training(record(step: 20))) }
            #expect(try steps(folder) == [10])
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            try log.append(.training(record(step: 30)))
            #expect(try steps(folder) == [10, 30])
        }
    }
}

/// The steps in the log; each line must be complete.
func steps(_ folder: TemporaryFolder) throws -> [Int] {
    struct Line: Decodable { var step: Int }
    let text = try folder.contents()
    #expect(text.isEmpty || text.hasSuffix("\n"))
    return try text.split(separator: "\n").map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)).step }
}
