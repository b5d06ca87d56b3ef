import Configuration
import Randomness
import Testing

/// No configuration file, however made, may trap, hang or fill the memory.
@Suite struct HostileTests {
    @Test func aliasBomb() {
        var text = "a0: &a0 [x]\n"
        for i in 1..<100 { text += "a\(i): &a\(i) [*a\(i - 1), *a\(i - 1)]\n" }
        text += "? *a99\n: 1\n"
        #expect(refusal(text)?.contains("anchors") == true)
    }

    /// As above, with the anchors next to each of YAML's indicators.
    @Test(arguments: [
        "[&a x]", "{&a x: 1}", "{\"k\":&a x}", "[\"k\",&a x]", "- &a x", "? &a x", "! &a x", "\t&a x", "[[],&a x]",
    ])
    func anchorsAreFoundEverywhere(_ text: String) {
        #expect(refusal("model: \(text) # *a")?.contains("anchors") == true)
        #expect(refusal("\(text) # *a")?.contains("anchors") == true)
    }

    @Test(arguments: ["R&D", "R &D", "a & b", "a && b", "&", "x&", "*D", "&a *b"]) func ampersandsInTextAreFine(_ path: String) throws {
        #expect(try load("# see \(path)\ndata: {path: '\(path)'}").data.path == path)
    }

    /// Any name of a folder, as `--data` hands it on, also through the file that a run keeps.
    @Test(arguments: ["R &D", "a\nb", "a\tb", "'", "\"", "\\", "*a", "# x", " x ", "a: b", "null", "é\u{7F}\u{85}\u{2028}\u{1F600}", "\u{1}"])
    func anyTextIsAScalar(_ path: String) throws {
        let configuration = try RunConfiguration.load(file: nil, overrides: ["data.path=\(path.yamlScalar)"])
        #expect(configuration.data.path == path)
        #expect(try load(configuration.yaml).data.path == path)
    }

    @Test(arguments: ["[", "{", "{a: ", "? ", "- ", "[? ", "!a ", "'", "\"\\u", "%YAML ", "|", "model: "])
    func deepNesting(_ opening: String) {
        let text = String(repeating: opening, count: 16_000 / opening.utf8.count)
        #expect(throws: ConfigurationError.self) { try load(text) }
        #expect(throws: ConfigurationError.self) { try load("model: " + text) }
    }

    /// Keys within keys: hashing them takes depth times size.
    @Test func nestedKeys() {
        let list = "a: [" + String(repeating: "x,", count: 7000) + "]"
        let text = String(repeating: "{? ", count: 450) + list + String(repeating: "}", count: 450)
        #expect(refusal(text)?.contains("names as keys") == true)
    }

    @Test func deepIndentation() {
        let text = (0..<170).map { String(repeating: " ", count: $0) + "a:\n" }.joined()
        #expect(refusal(text) != nil)
    }

    @Test func longNamesAndValuesAreCutInMessages() throws {
        let long = String(repeating: "x", count: 15_000)
        for line in [
            refusal("? \(long)\n: 1"), refusal("model: {hidden: \(long)}"), refusal("", overrides: ["\(long)=1"]),
        ] {
            #expect(try #require(line).count < 400)
        }
    }

    @Test func aPathOfManyNames() {
        #expect(refusal("", overrides: [String(repeating: "model.", count: 100_000) + "hidden=1"]) != nil)
    }

    @Test func tooLarge() {
        #expect(refusal(String(repeating: "#", count: 16385))?.contains("read 16385 bytes (limit 16384)") == true)
    }

    @Test func tooLargeInACheckpoint() throws {
        let text = String(repeating: "#", count: 16384)
        _ = try RunConfiguration.load(yaml: text, name: "manifest.json")
        #expect(throws: ConfigurationError.self) { try RunConfiguration.load(yaml: text + "#", name: "manifest.json") }
    }

    @Test func aDeviceWithoutEnd() {
        #expect(throws: ConfigurationError.self) { _ = try RunConfiguration.load(file: "/dev/zero") }
    }

    /// Two thousand small mutations of a real file: refused or accepted, never a trap.
    @Test func mutations() {
        let original = Array(RunConfiguration().yaml.utf8)
        let insertions = Array("&*![]{}:-?|>'\"%@`#,\n\t \\\u{0}\u{FF}~<=0e.".utf8)
        let random = Philox(seed: 7, purpose: .corpus)
        for index in 0..<2000 {
            var bytes = original
            for change in 0..<4 {
                let bits = random.block(.init(UInt32(index), UInt32(change), 0, 0))
                let at = Int(bits.x) % bytes.count
                switch bits.y % 4 {
                case 0: bytes[at] = insertions[Int(bits.z) % insertions.count]
                case 1: bytes.insert(insertions[Int(bits.z) % insertions.count], at: at)
                case 2: bytes[at] ^= 1 << (bits.z % 8)
                default: bytes.removeSubrange(at..<min(bytes.count, at + Int(bits.z % 40)))
                }
                if bytes.isEmpty { break }
            }
            if let configuration = try? load(bytes: bytes) {
                #expect(throws: Never.self) { try configuration.validate() }
            }
        }
    }
}
