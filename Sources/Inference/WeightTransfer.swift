import Checkpoints
import Corpus
import Diagnostics
import Kernels
import Recurrent
import Reporting

/// What a new model takes from the weights of another: every parameter that has its name and shape there. Where the vocabularies
/// differ, the rows that stand for tokens are matched by token.
package struct WeightTransfer {
    /// A parameter of the model that keeps its initial values.
    package struct Left: Equatable, Sendable {
        package let name: String
        package let reason: String
    }

    private let file: SafetensorsFile
    /// The place in the file of each parameter that is taken.
    private let places: [(name: String, place: String)]
    /// The row in the file of each token, -1 for none; nil where the vocabularies are the same.
    private let rows: [Int32]?
    package let left: [Left]
    private let byToken: Set<String>
    /// Tensors of the file that the model has no use for.
    package let unused: [String]

    package var taken: [String] { places.map(\.name) }
    /// The ids of tokens whose rows are in the file; nil where the vocabularies are the same.
    package var matched: [Int]? { rows.map { rows in rows.indices.filter { rows[$0] >= 0 } } }

    /// Compares names and shapes, without reading numbers.
    /// - Parameters:
    ///   - source: the vocabulary of the weights; nil if they are known to have the model's.
    ///   - vocabulary: the model's.
    ///   - labels: those that the model predicts.
    /// - Throws: `NothingToTake`; `SafetensorsError.badDescription`.
    package init(
        _ file: SafetensorsFile, of source: Vocabulary?, to model: ModelConfiguration, _ vocabulary: Vocabulary, labels: [String]? = nil
    ) throws {
        self.file = file
        byToken = WeightTransfer.byToken(model)
        let differs = source.map { $0.hash != vocabulary.hash } ?? false
        let isOtherLevel = differs && source?.level != vocabulary.level
        rows = differs && !isOtherLevel ? source.map { vocabulary.rows(in: $0) } : nil
        let summary = try ModelSummary(describing: file)
        let cell = summary?.cell
        let otherEnds = summary.map { OtherEnds($0, model, labels) }
        let (prefix, names) = (ModelFile.prefix(of: file), Set(file.names))
        var places: [(name: String, place: String)] = []
        var left: [Left] = []
        for entry in ParameterLayout(model).entries {
            let place = ModelFile.place(of: entry.name, names, prefix, model)
            let isByToken = byToken.contains(entry.name)
            var shape = entry.shape
            if let source, isByToken { shape[0] = source.count }
            let reason: String? =
                if !names.contains(place) {
                    "not there"
                } else if let cell, cell != model.cell.rawValue, entry.name.hasPrefix("rnn.") {
                    "\(cell) weights there, \(model.cell.rawValue) weights here"
                } else if let reason = otherEnds?.reason(entry.name) {
                    reason
                } else if let found = try? file.shape(of: place), found != shape {
                    "\(WeightTransfer.text(found)) there, \(WeightTransfer.text(entry.shape)) here"
                } else if isByToken, isOtherLevel {
                    "rows of \(source?.level.rawValue ?? "")s there, of \(vocabulary.level.rawValue)s here"
                } else if differs, ModelFile.isOfAdaptiveSoftmax(entry.name) {
                    "its clusters are those of another vocabulary"
                } else {
                    nil
                }
            if let reason { left.append(Left(name: entry.name, reason: reason)) } else { places.append((entry.name, place)) }
        }
        self.places = places
        self.left = left
        let known = Set(places.map(\.place) + left.map { ModelFile.place(of: $0.name, names, prefix, model) })
        // With tied weights, the same matrix under its other name.
        let other = model.tied && summary?.tied ?? true ? [prefix + ModelFile.encoder, prefix + ModelFile.decoder] : []
        unused = file.names.filter { !known.contains($0) && !other.contains($0) }
        // A vocabulary's biases alone are no model.
        let matrices = places.filter { $0.name != "decoder.bias" }
        let hasRows = rows.map { $0.contains { $0 >= 0 } } ?? true
        guard matrices.contains(where: { hasRows || !byToken.contains($0.name) }) else {
            throw NothingToTake(file: file.path, left: left)
        }
    }

    /// Fills in the parameters that are taken, and leaves the others as they are.
    /// - Throws: `ModelFileError.notFinite`, `SafetensorsError`.
    package func load(into parameters: Arena) throws {
        let layout = parameters.layout
        for (name, place) in places {
            let entry = layout[name]
            if let rows, byToken.contains(name) {
                let values: [Float] = try file.elements(of: place)
                let width = entry.count / entry.shape[0]
                parameters.values(entry).withUnsafe { own in
                    for (row, source) in rows.enumerated() where source >= 0 {
                        for j in 0..<width { own[row * width + j] = values[Int(source) * width + j] }
                    }
                }
            } else {
                try parameters.values(entry).withUnsafe { try file.read(place, shape: entry.shape, into: $0) }
            }
            // F64 may hold values that become infinite in single precision.
            guard parameters.values(entry).areFinite else { throw ModelFileError.notFinite(file: file.path, tensor: place) }
        }
        // A file whose gates are all there may start a model without some of them.
        parameters.clearAbsentRows()
    }

    /// Names of the parameters of which each row, or each value, belongs to a token. The output rows of a tagger or classifier are
    /// labels, and the rows of a linear encoder belong to nothing.
    private static func byToken(_ model: ModelConfiguration) -> Set<String> {
        if model.values != nil { return [] }
        return model.output == .next ? [ModelFile.encoder, ModelFile.decoder, "decoder.bias"] : [ModelFile.encoder]
    }

    private static func text(_ shape: [Int]) -> String { "[\(shape.map(String.init).joined(separator: ", "))]".printable }
}

/// Why the input or the output layer of a model would mean something else in another, whatever the shapes.
private struct OtherEnds {
    private let encoder: String?
    private let decoder: String?

    /// - Parameter labels: those that the model predicts.
    init(_ there: ModelSummary, _ here: ModelConfiguration, _ labels: [String]?) {
        func read(_ values: Bool) -> String { values ? "numbers" : "tokens" }
        func predicted(_ measure: LossMeasure) -> String { measure == .values ? "values" : measure.noun }
        let (areValues, measure) = (there.options?["values"] != nil, here.output.measure)
        encoder = areValues == (here.values != nil) ? nil : "reads \(read(areValues)) there, \(read(!areValues)) here"
        decoder =
            if there.measure != measure {
                "predicts \(predicted(there.measure)) there, \(predicted(measure)) here"
            } else if measure == .labels, there.labels != labels {
                "other labels there"
            } else { nil }
    }

    func reason(_ parameter: String) -> String? {
        if parameter.hasPrefix("encoder.") { return encoder }
        return parameter.hasPrefix("decoder.") || ModelFile.isOfAdaptiveSoftmax(parameter) ? decoder : nil
    }
}

extension Vocabulary {
    /// The id in another vocabulary of each token, -1 for none.
    func rows(in other: Vocabulary) -> [Int32] {
        let ids = Dictionary((0..<other.count).map { (other.bytes(of: $0), Int32($0)) }) { first, _ in first }
        return (0..<count).map { ids[bytes(of: $0)] ?? -1 }
    }
}

/// Weights of which the model has none.
package struct NothingToTake: DiagnosedError {
    package let file: String
    package let left: [WeightTransfer.Left]

    package var kind: FailureKind { .data }
    package var diagnosis: Diagnosis {
        Diagnosis(
            "the model can take none of these weights", file: file,
            expected: "a parameter with the name and shape of one of the model's",
            found: left.prefix(8).map { "\($0.name): \($0.reason)" }.joined(separator: "; "),
            remedy: "give weights of a similar model; lockstep inspect shows their names and shapes")
    }
}
