import Diagnostics
import Testing

@Suite struct DiagnosisTests {
    @Test func oneLineOfAllParts() {
        let diagnosis = Diagnosis("what\nhappened", file: "f", location: "byte 3", expected: "1", found: "2", remedy: "do")
        #expect(diagnosis.line == "f, byte 3: what happened; expected 1, found 2; do")
        #expect(Diagnosis("what", found: "2").line == "what; found 2")
    }

    @Test(arguments: [("trian", "train"), ("scroe", "score"), ("evalute", "evaluate"), ("TRAIN", "train")])
    func typosAreRecognised(typed: String, meant: String) {
        #expect(nearestName(to: typed, among: ["train", "score", "evaluate"]) == meant)
    }

    @Test(arguments: ["brain tumour", "s", "xyzzy"]) func otherWordsAreNot(typed: String) {
        #expect(nearestName(to: typed, among: ["train", "score", "evaluate"]) == nil)
    }

    /// As Bash reads it.
    @Test(arguments: [
        ("runs/a-1.b", "runs/a-1.b"), ("R &D", "'R &D'"), ("it's", "'it'\\''s'"), ("", "''"), ("$(x) `y` \\", "'$(x) `y` \\'"),
        ("a\nb", "$'a\\nb'"), ("it's\ta\\", "$'it\\'s\\ta\\\\'"), ("\u{1}2", "$'\\0012'"), ("é\n", "$'é\\n'"),
    ])
    func wordsForAShell(text: String, word: String) {
        #expect(text.shellWord == word)
    }

    /// A path with a line end names the same path in a message, not one with a space.
    @Test func pathsAreWhole() {
        #expect(Diagnosis("what", file: "a\nb").line == "a\\nb: what")
        #expect(Diagnosis("what", file: String(repeating: "x", count: 300)).line.hasPrefix(String(repeating: "x", count: 300)))
    }

    /// A stranger's file may contain anything: escape sequences, reversed text, a name of a megabyte.
    @Test func nothingSteersTheTerminal() {
        let nasty = "\u{1B}[2J\u{0}\u{85}\u{202E}\u{2028}\u{7F}é"
        let long = String(repeating: "x", count: 1_000_000)
        for text in [nasty, long, String(repeating: "\u{202E}", count: 100_000), String(repeating: "😀", count: 9999)] {
            let line = Diagnosis(text, file: text, location: text, expected: text, found: text, remedy: "remedy").line
            #expect(
                line.unicodeScalars.allSatisfy {
                    ![.control, .format, .lineSeparator, .paragraphSeparator].contains($0.properties.generalCategory)
                })
            #expect(line.unicodeScalars.count < 2010)
        }
        #expect(Diagnosis("what", found: nasty).line == "what; found \\u{1B}[2J\\0\\u{0085}\\u{202E}\\u{2028}\\u{7F}é")
        #expect(Diagnosis("what", found: long, remedy: "do").line.hasSuffix("x...; do"), "a long part leaves the rest")
    }
}

/// What comes from outside is bytes.
@Suite struct BytesTests {
    @Test(arguments: [
        "caf\u{E9}", "", "a\u{10FE80}b", "\u{10FE7F}\u{10FF00}", "e\u{301}\r\n",
    ])
    func textStaysAsItIs(text: String) {
        #expect(String(keeping: Array(text.utf8)).bytes == Array(text.utf8))
        if !text.unicodeScalars.contains("\u{10FE80}") { #expect(String(keeping: Array(text.utf8)) == text) }
    }

    @Test func anyBytesComeBack() {
        var bytes: [UInt8] = []
        for first in UInt8.min...(.max) { bytes += [first, first &* 7, 0xC3, first, 0xF4, 0x8F, 0xBA, first | 0x80] }
        for start in stride(from: 0, to: bytes.count, by: 5) {
            let part = Array(bytes[start...].prefix(40))
            #expect(String(keeping: part).bytes == part)
        }
        #expect(String(keeping: [0x63, 0xE9]).cBytes.map { UInt8(bitPattern: $0) } == [0x63, 0xE9, 0])
    }

    @Test func messagesShowThem() {
        #expect("\(Diagnosis("no such file", file: String(keeping: [0x63, 0xE9, 0x2F])).line)" == "c\\xE9/: no such file")
    }
    @Test func textShowsThemToo() {
        let path = String(keeping: [0x63, 0xE9])
        #expect("data  \(path)\nrun \u{E9}".legible == "data  c\\xE9\nrun \u{E9}")
    }
}

@Suite struct AlternativesTests {
    @Test func wordsAreListed() {
        #expect(divisors(of: 12) == "1, 2, 3, 4, 6 or 12")
        #expect(divisors(of: 1) == "1")
        #expect(divisors(of: 5040) == "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ... or 5040")
        #expect(alternatives(["a", "b"]) == "a or b")
    }
}
