import Configuration
import Diagnostics
import Foundation
import Testing

@Suite struct LoadingTests {
    @Test func defaultsAreValidAndNeedNoFile() throws {
        let configuration = try RunConfiguration.load(file: nil)
        #expect(configuration == RunConfiguration())
        #expect(configuration.data.path == "data/kinematics")
        #expect(configuration.training.clip.norm == 1)
    }

    @Test func fileChangesOnlyWhatItNames() throws {
        var expected = RunConfiguration()
        expected.model.cell = .gruResetAfter
        expected.model.hidden = 75
        expected.training.steps = 12
        expected.training.optimizer.learningRate = 1e-3
        #expect(
            try load(
                """
                # a comment
                model: {cell: gru_reset_after, hidden: 75}
                training:
                  steps: 12
                  optimizer:
                    learning_rate: 1e-3
                checkpoint:
                """) == expected)
    }

    @Test(arguments: ["", "# nothing\n", "---\n", "\u{FEFF}model:\r\n  layers: 2\r\n"])
    func textThatChangesNothing(_ text: String) throws {
        #expect(try load(text) == RunConfiguration())
    }

    @Test func overridesWinOverTheFileAndLaterOverEarlier() throws {
        let configuration = try load(
            "training: {streams: 8, unroll: 10, seed: 4}",
            overrides: [
                "training.streams=16", "training.streams=24", "training.steps=5", "training.steps=null",
                "model={cell: elman, activation: relu}", "data.path=my data/café = 2", "training.loss=per_stream",
            ])
        #expect(configuration.training.streams == 24)
        #expect(configuration.training.unroll == 10)
        #expect(configuration.training.seed == 4)
        #expect(configuration.training.steps == nil)
        #expect(configuration.model.cell == .elman)
        #expect(configuration.model.activation == .relu)
        #expect(configuration.data.path == "my data/café = 2")
        #expect(configuration.training.loss == .perStream)
    }

    @Test(
        arguments: [
            ("training: {clip: {value: 2}}", [], nil, 2),
            ("training: {clip: {}}", [], nil, nil),
            ("training: {clip: {norm: null}}", [], nil, nil),
            ("training: {clip: }", [], nil, nil),
            ("training: {clip: {norm: 5}}", ["training.clip.value=3"], nil, 3),
            ("training: {clip: {value: 5}}", ["training.clip.norm=3"], 3, nil),
            ("training: {unroll: 5}", [], 1, nil),
        ] as [(String, [String], Double?, Double?)])
    func clipIsReplacedAsAWhole(_ text: String, _ overrides: [String], norm: Double?, value: Double?) throws {
        let clip = try load(text, overrides: overrides).training.clip
        #expect(clip.norm == norm)
        #expect(clip.value == value)
    }

    @Test(arguments: ["123", "1e3", "true", "\"null\"", "'~'", "C:"])
    func aPathMayLookLikeAnotherType(_ path: String) throws {
        let bare = path.trimmingCharacters(in: ["\"", "'"])
        #expect(try load("data: {path: \(path == "C:" ? "'C:'" : path)}").data.path == bare)
    }

    @Test(arguments: try FileManager.default.contentsOfDirectory(atPath: configs).filter { $0.hasSuffix(".yaml") })
    func everyDeliveredConfigurationLoads(_ name: String) throws {
        _ = try RunConfiguration.load(file: "\(configs)/\(name)")
    }

    @Test func theDeliveredConfigurationsAreThere() throws {
        let names = Set(try FileManager.default.contentsOfDirectory(atPath: configs))
        #expect(
            names.isSuperset(of: [
                "quickstart.yaml", "kinematics.yaml", "tinyshakespeare.yaml", "wikitext2-small.yaml",
                "wikitext2-small-tied.yaml",
            ]))
        let tied = try RunConfiguration.load(file: "\(configs)/wikitext2-small-tied.yaml")
        let untied = try RunConfiguration.load(file: "\(configs)/wikitext2-small.yaml")
        #expect(tied.differences(from: untied).map(\.path) == ["model.tied"])
    }
}

private let configs = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "configs").path
