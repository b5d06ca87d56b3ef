import Foundation
import Testing

/// A text of this repository that shows commands: a Markdown page, whose fenced blocks they are, or a configuration, in
/// whose header they are indented by four spaces.
struct Page: CustomTestStringConvertible, Sendable {
    /// Relative to the repository.
    let path: String
    let blocks: [Block]
    /// What is not inside a block.
    let prose: [String]

    struct Block: Sendable {
        /// The number of its first line, counted from 1.
        let line: Int
        /// After the opening fence: "sh" for commands.
        let language: String
        let lines: [String]
    }

    var testDescription: String { path }
    var url: URL { Page.repository.appending(path: path) }

    static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    static let markdown: [Page] = ["README.md"].map(Page.init(markdown:)) + files(in: "docs", ".md").map(Page.init(markdown:))
    static let configurations: [Page] = files(in: "configs", ".yaml").map(Page.init(configuration:))
    static let withCommands = (markdown + configurations).filter { page in page.blocks.contains { $0.language == "sh" } }

    private static func files(in folder: String, _ suffix: String) -> [String] {
        let paths = FileManager.default.enumerator(atPath: repository.appending(path: folder).path)!
        return paths.compactMap { $0 as? String }.filter { $0.hasSuffix(suffix) }.map { "\(folder)/\($0)" }.sorted()
    }

    private static func lines(of path: String) -> [String] {
        try! String(contentsOf: repository.appending(path: path), encoding: .utf8).components(separatedBy: "\n")
    }

    init(markdown path: String) {
        self.path = path
        var blocks: [Block] = []
        var prose: [String] = []
        var open: (line: Int, language: String, lines: [String])?
        for (index, line) in Page.lines(of: path).enumerated() {
            if line.hasPrefix("```") {
                if let block = open {
                    blocks.append(Block(line: block.line, language: block.language, lines: block.lines))
                    open = nil
                } else {
                    open = (index + 2, String(line.dropFirst(3)), [])
                }
            } else if open != nil {
                open!.lines.append(line)
            } else {
                prose.append(line)
            }
        }
        self.blocks = blocks
        self.prose = prose
    }

    init(configuration path: String) {
        self.path = path
        let header = Page.lines(of: path).prefix { $0.hasPrefix("#") }
        let commands = header.filter { $0.hasPrefix("#     ") && !$0.hasPrefix("#           ") }.map { String($0.dropFirst(6)) }
        blocks = commands.isEmpty ? [] : [Block(line: 1, language: "sh", lines: commands)]
        prose = Array(header)
    }

    /// All commands as one script, in which those that cannot run here do nothing.
    func script(leavingOut: (_ command: String) -> Bool) -> String {
        var script = "set -euo pipefail\ntrap 'echo \"$where: failed ($?): $BASH_COMMAND\" >&2' ERR\n"
        for block in blocks where block.language == "sh" {
            script += "where='\(path), line \(block.line)'\n"
            script += Page.commands(in: block).map { leavingOut($0) ? ":" : $0 }.joined(separator: "\n") + "\n"
        }
        return script
    }

    var commands: [String] { blocks.filter { $0.language == "sh" }.flatMap(Page.commands) }

    /// A block's lines, those that end in a backslash together with the next.
    static func commands(in block: Block) -> [String] {
        var commands: [String] = []
        var continues = false
        for line in block.lines {
            if continues { commands[commands.count - 1] += "\n" + line } else { commands.append(line) }
            continues = line.hasSuffix("\\")
        }
        return commands
    }

    /// Anchors of the headings, as GitHub makes them.
    var anchors: Set<String> {
        Set(
            prose.filter { $0.hasPrefix("#") }.map { heading in
                let title = heading.drop { $0 == "#" }.dropFirst().lowercased()
                return String(
                    title.compactMap { character -> Character? in
                        if character == " " { return "-" }
                        return character.isLetter || character.isNumber || character == "-" || character == "_" ? character : nil
                    })
            })
    }

    /// Targets of the links in the prose that are not on the web.
    var links: [String] {
        prose.flatMap { $0.matches(of: /\]\(([^)]+)\)/).map { String($0.output.1) } }.filter { !$0.contains("://") }
    }
}
