import Configuration
import Foundation
import Testing

/// The texts about configurations: docs/configuration.md, and the heads of the files in configs/.
@Suite struct PageTests {
    private static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    private static let configurations = try! FileManager.default
        .contentsOfDirectory(atPath: repository.appending(path: "configs").path).sorted()

    @Test func thePageIsThatOfTheCode() throws {
        let page = try String(contentsOf: Self.repository.appending(path: "docs/configuration.md"), encoding: .utf8)
        #expect(page == RunConfiguration.page, "lockstep configuration-page > docs/configuration.md")
    }

    @Test func everyKeyIsExplained() throws {
        let rows = RunConfiguration.page.split(separator: "\n").filter { $0.hasPrefix("| `") }
            .map { $0.split(separator: " | ", omittingEmptySubsequences: false) }
        #expect(rows.allSatisfy { $0.count == 5 && $0[4].count > 20 })
        let values = RunConfiguration().values.map { "| `\($0.path)` | `\($0.value)`" }
        #expect(rows.map { "\($0[0]) | \($0[1])" }.sorted() == values.sorted())
    }

    @Test(arguments: configurations) func theHeadSaysWhatToExpect(_ name: String) throws {
        let file = Self.repository.appending(path: "configs/\(name)").path
        let configuration = try RunConfiguration.load(file: file)
        let text = try String(contentsOfFile: file, encoding: .utf8)
        let head = text.split(separator: "\n").prefix { $0.hasPrefix("#") }
        for word in ["Needs", "Takes", "Reaches"] {
            #expect(head.contains { $0.hasPrefix("# \(word) ") }, "\(name) lacks \(word)")
        }
        let commands = head.joined(separator: "\n")
        #expect(commands.contains("--output \(configuration.data.path)\n"), "prepares another folder than data.path")
        #expect(commands.contains("lockstep train --config configs/\(name) --run "))
    }

    @Test func theConfigurationsAreThere() {
        #expect(
            Self.configurations == [
                "adding-lstm.yaml", "billion-word-cluster.yaml", "kinematics.yaml", "ptb-large.yaml", "ptb-medium.yaml", "ptb-small.yaml",
                "quickstart.yaml", "snips-intents.yaml", "snips-slots.yaml", "sst-binary.yaml", "text8.yaml", "tinyshakespeare.yaml",
                "wikitext2-awd-lstm.yaml", "wikitext2-hour.yaml", "wikitext2-kneser-ney.yaml", "wikitext2-medium.yaml",
                "wikitext2-small-adaptive.yaml", "wikitext2-small-tied.yaml", "wikitext2-small.yaml",
            ])
    }

    /// Zaremba, Sutskever and Vinyals 2014, section 4.1.
    @Test(arguments: [
        ("small", 200, 0, 0.1, 20, 13, 5, 2, 4), ("medium", 650, 0.5, 0.05, 35, 39, 5, 1.2, 6),
        ("large", 1500, 0.65, 0.04, 35, 55, 10, 1.15, 14),
    ] as [(String, Int, Double, Double, Int, Int, Double, Double, Int)])
    func pennTreebank(
        _ size: String, hidden: Int, dropout: Double, range: Double, unroll: Int, epochs: Int, clip: Double,
        divisor: Double, after: Int
    ) throws {
        let it = try RunConfiguration.load(file: Self.repository.appending(path: "configs/ptb-\(size).yaml").path)
        #expect(it.model.cell == .lstm && it.model.layers == 2 && !it.model.tied)
        #expect(it.model.hidden == .all(hidden) && it.model.embedding == hidden)
        #expect(it.model.dropout == dropout && it.model.initialRange == range)
        #expect(it.training.streams == 20 && it.training.unroll == unroll && it.training.epochs == epochs)
        #expect(it.training.loss == .perStream && it.training.clip.norm == clip)
        #expect(it.training.optimizer.name == .sgd && it.training.optimizer.learningRate == 1)
        #expect(it.training.schedule.name == .decay && it.training.schedule.afterEpoch == after)
        #expect(abs(it.training.schedule.factor * divisor - 1) < 1e-12)
    }
}
