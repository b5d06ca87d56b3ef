import Files
import Report

@testable import Reporting

/// The records of a run.
extension Parser {
    private static let lines =
        """
        {"cores":2,"data":{"folder":"d","hash":"ab","level":"word","training_tokens":9000,"validation_tokens":90,"vocabulary":50},"hosts":{"a":2},"kind":"start","libraries":["l"],"parameters":10,"processor":"p","program":"0","ranks":2,"step":0,"threads_per_rank":1,"time":"t","total_steps":9}

        """
        + (1...9).map {
            """
            {"clipped_share":0.5,"elapsed_seconds":\($0),"epoch":1,"exchange_share":0.1,"gradient_norm":0.3,"kind":"train","learning_rate":0.01,"loss":2.5,"memory_bytes":4096,"peak_memory_bytes":8192,"perplexity":null,"phase_seconds":{"wait":0.25,"other":1e-06},"step":\($0),"tokens":\($0)0,"tokens_per_second":1e4}

            """
        }.joined() + """
        {"epoch":1,"kind":"validation","loss":2.25,"perplexity":9.5,"step":9,"tokens":90}
        {"epoch":1,"flow":{"loss":2.5,"positions":[8,8],"recurrent_weights":[{"gate":"i","layer":1,"norm":1.5,"spectral_radius":0.5}],"states":[{"half_life_tokens":4,"layer":1,"lower_quartile":[1,0.5],"median":[2,1],"name":"h","slope":-0.17,"upper_quartile":[3,null]}]},"kind":"gradient_flow","step":9}
        {"epoch":1,"kind":"sample","step":9,"text":"a <b> & \\u001b[2J c"}
        {"epoch":1,"flow":{"loss":2.5,"positions":[8,8],"recurrent_weights":[],"states":[{"layer":1,"lower_quartile":[1,0.5],"median":[2,1],"name":"h","upper_quartile":[3,null]}]},"kind":"gradient_flow","step":10}

        """
    private static let words =
        json + ["\n", "\"step\"", "\r\n", "1e308", "-1e308", "1e-320", "9007199254740992", "-0", "1e999", "\"kind\":\"sample\"", "</script>"]

    /// The log that a resumed run cuts back.
    static func metrics(in folder: String) -> Parser {
        let path = "\(folder)/metrics.jsonl"
        return Parser("metrics", [Array(lines.utf8)], words: words, at: path) {
            let log = try MetricsLog(path: path, keepingThrough: 5)
            try log.append(.validation(ValidationRecord(step: 6, epoch: 1, tokens: 1, loss: 1)))
            let lines = try File.contents(of: path).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            precondition(lines.count >= 2 && lines.last!.isEmpty)
        }
    }

    /// The log that becomes a page.
    static func report(in folder: String) -> Parser {
        let path = "\(folder)/metrics.jsonl"
        return Parser("report", [Array(lines.utf8)], words: words, at: path) {
            let run = Run(
                name: "<run>", configuration: [("training.clip.norm", "1")], history: try MetricsHistory(path: path))
            for runs in [[run], [run, run]] {
                let page = Page(runs, madeBy: "").html
                precondition(!page.contains("NaN") && !page.contains("nan%") && !page.contains("inf%") && page.hasSuffix("</html>\n"))
                // The page's own script, and no other.
                precondition(page.split(separator: "</script").count == 2)
            }
        }
    }

    /// Event files of an earlier session.
    static func events(in folder: String) throws -> Parser {
        let made = "\(folder)/tensorboard"
        let log = try EventLog(folder: made, keepingThrough: 0)
        for step in 1...9 { try log.append(step: step, scalars: [("a", 1.5), ("b", -2)]) }
        try log.append(step: 9, tag: "text", text: "a text")
        let original = try File.contents(of: "\(made)/\(Folder.names(in: made)[0])")
        try Folder.remove(made)
        try Folder.create(made)
        let path = "\(made)/events.out.tfevents.0000000001.a"
        let words = ["brain.Event:2", "text", "\u{0}\u{0}\u{0}\u{0}", "\u{7F}\u{7F}\u{7F}\u{7F}", "\u{8}\u{1}", "\u{A}\u{5}"]
        var parser = Parser("events", [original], words: words, at: path) {
            try EventLog(folder: made, keepingThrough: 5).append(step: 6, scalars: [])
            for name in try Folder.names(in: made) where !path.hasSuffix(name) { try Folder.remove("\(made)/\(name)") }
        }
        // Every second one with checksums that are right again, for the messages to be read.
        parser.finish = { bytes, number in number % 2 == 0 ? bytes : withChecksums(bytes) }
        return parser
    }

    private static func withChecksums(_ bytes: [UInt8]) -> [UInt8] {
        func little(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number.littleEndian, Array.init) }
        var bytes = bytes
        var start = 0
        while bytes.count - start >= 16 {
            let length = bytes[start..<start + 8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            bytes.replaceSubrange(start + 8..<start + 12, with: little(CRC32C.masked(bytes[start..<start + 8])))
            guard length <= UInt64(bytes.count - start - 16) else { break }
            let end = start + 12 + Int(length)
            bytes.replaceSubrange(end..<end + 4, with: little(CRC32C.masked(bytes[start + 12..<end])))
            start = end + 4
        }
        return bytes
    }
}
