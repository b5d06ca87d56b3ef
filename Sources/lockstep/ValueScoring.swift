import Corpus
import Diagnostics
import Files
import Inference
import Recurrent
import Reporting

/// `score` with a model that reads numbers: what it predicts of each row, or of each sequence.
struct ValueScoring {
    private let file: String?
    private let reader: ValuePredictor
    private let labels: [String]?
    private let columns: Int
    private let isOfSequences: Bool

    /// Nil for a model that reads tokens.
    /// - Throws: `UsageError` for options that only texts have.
    init?(_ command: ScoreCommand, _ model: OpenedModel) throws {
        guard let network = model.predictor as? RecurrentPredictor, let columns = network.configuration.values else { return nil }
        let others = [("--tokens", command.tokens), ("--format", command.format != .text), ("--unknown", command.unknown != .error)]
        try command.refuse(others, for: "a model that reads numbers")
        (file, self.columns, labels) = (command.file, columns, model.labels)
        isOfSequences = network.configuration.output.isOfSequences
        reader = ValuePredictor(network)
    }

    /// Reads the whole input.
    /// - Throws: `FileError`, `ValueFileError`, `OutputNotFinite`, `KernelError`.
    func run() throws {
        let rows = try CSVRows(file)
        var sequence: [Float] = []
        while let row = try rows.next() {
            if row.isEmpty {
                guard try finish(&sequence, isLast: false) else { return }
                continue
            }
            try rows.check(row, columns: columns)
            sequence += row
        }
        _ = try finish(&sequence, isLast: true)
    }

    /// - Returns: false if nobody reads the output any more.
    private func finish(_ sequence: inout [Float], isLast: Bool) throws -> Bool {
        defer { sequence = [] }
        if sequence.isEmpty { return true }
        var text = ""
        for values in try reader.predict(sequence, columns: columns) {
            text += labels.map { $0[values.indices.max { values[$0] < values[$1] }!] } ?? values.map { "\($0)" }.joined(separator: ",")
            text += "\n"
        }
        if !isOfSequences, !isLast { text += "\n" }
        return Array(text.utf8).withUnsafeBytes { StandardStream.output.write($0) }
    }
}
