import Testing

@testable import Report

@Suite struct HTMLTests {
    @Test(arguments: [
        ("a < b & c", "a &lt; b &amp; c"), ("\"'>", "&quot;&#39;&gt;"), ("</script><script>", "&lt;/script&gt;&lt;script&gt;"),
        ("tab\tline\n", "tab\tline\n"), ("\u{0}\u{1B}[2J\r\u{7F}\u{85}", "\u{FFFD}\u{FFFD}[2J\u{FFFD}\u{FFFD}\u{FFFD}"),
        ("\u{202E}evil\u{2066}", "\u{FFFD}evil\u{FFFD}"), ("ünï ☃ 😀 e\u{301}", "ünï ☃ 😀 e\u{301}"),
    ])
    func textIsEscaped(_ text: String, _ markup: String) {
        let html: HTML = "<p title=\"\(text)\">\(text)</p>"
        #expect(html.description.unicodeScalars.elementsEqual("<p title=\"\(markup)\">\(markup)</p>".unicodeScalars))
    }

    @Test(arguments: [0xFFFE, 0xFFFF, 0x1FFFE, 0x10FFFF, 0xFDD0, 0xFDEF, 0]) func noCharacters(_ value: UInt32) {
        let text = String(Unicode.Scalar(value)!)
        #expect(("\(text)" as HTML).description == "\u{FFFD}")
    }

    @Test func piecesAreTakenAsTheyAre() {
        let cell: HTML = "<td>\(7)</td>"
        let row: HTML = "<tr>\([cell, cell])\(cell)</tr>"
        #expect(row.description == "<tr><td>7</td><td>7</td><td>7</td></tr>")
    }
}
