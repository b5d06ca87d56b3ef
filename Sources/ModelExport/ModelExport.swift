import Diagnostics
import Files
import Recurrent
import SwiftProtobuf

/// A language model in the forms that speech-recognition decoders load (sherpa-onnx, icefall), as ONNX files.
///
/// Names, shapes and types of inputs and outputs, and the names in the metadata, are those of icefall's LSTM language
/// model, which decoders expect. The same model gives the same bytes.
package struct ModelExport {
    /// What a decoder requests from a language model.
    package enum Form: String, Sendable, CaseIterable {
        /// A padded batch of sentences with their lengths, to their negative log likelihoods.
        case sentences
        /// One token and the state before it, to the log probabilities of the next and the state after it.
        case step
    }

    /// Version 14 is the first with the current RNN, LSTM and GRU; IR version 7 belongs to it.
    static let (operatorSet, intermediateRepresentation) = (14, 7)
    /// Protocol buffers count the bytes of a message in 31 bits. This leaves room for the graph itself.
    static let limit = Int(Int32.max) - (1 << 20)

    let model: ModelConfiguration
    let parameters: Arena
    let cell: RecurrentOperator
    let frame: SentenceFrame
    let producerVersion: String
    let properties: [(key: String, value: String)]

    /// - Parameters:
    ///   - frame: token ids below the model's vocabulary.
    ///   - properties: further metadata, under the caller's names.
    /// - Throws: `ModelExportError`.
    package init(
        _ model: ModelConfiguration, parameters: Arena, frame: SentenceFrame, producerVersion: String,
        properties: [(key: String, value: String)] = []
    ) throws {
        precondition([frame.start, frame.end].allSatisfy { 0..<model.vocabulary ~= $0 })
        guard let cell = RecurrentOperator(model) else { throw ModelExportError.noOperator(
                cell: ([model.cell.rawValue] + model.options.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }).joined(separator: ", ")) }
        try ModelExport.check(parameters.layout)
        for entry in parameters.layout.entries where !parameters.values(entry).areFinite {
            throw ModelExportError.notFinite(tensor: entry.name)
        }
        self.model = model
        self.parameters = parameters
        self.cell = cell
        self.frame = frame
        self.producerVersion = producerVersion
        self.properties = properties
    }

    static func check(_ layout: ParameterLayout) throws {
        let bytes = 4 * layout.parameters
        guard bytes <= limit else { throw ModelExportError.tooLarge(bytes: bytes, limit: limit) }
    }

    /// Writes one form: a temporary file beside `path`, then renamed.
    /// - Throws: `FileError`.
    package func write(_ form: Form, to path: String) throws {
        try check(form)
        try bytes(form).withUnsafeBytes { try File.publish($0, at: path) }
    }

    /// Decoders pass the states of all layers as one tensor.
    /// - Throws: `ModelExportError.unequalLayers`.
    package func check(_ form: Form) throws {
        if form == .step, Set(model.hidden).count > 1 { throw ModelExportError.unequalLayers(sizes: model.hidden) }
    }

    /// The content of a file.
    func bytes(_ form: Form) throws -> [UInt8] {
        var file = ONNXModel()
        file.irVersion = Int64(ModelExport.intermediateRepresentation)
        file.producerName = "lockstep"
        file.producerVersion = producerVersion
        var operators = ONNXOperatorSet()
        operators.version = Int64(ModelExport.operatorSet)
        file.opsetImport = [operators]
        file.metadataProps = (metadata(form) + properties).map { key, value in
            var property = ONNXProperty()
            (property.key, property.value) = (key, value)
            return property
        }
        switch form {
        case .sentences: file.graph = LanguageModelGraph.sentences(model, parameters, cell, frame: frame)
        case .step: file.graph = LanguageModelGraph.step(model, parameters, cell)
        }
        return try file.serializedBytes()
    }

    private func metadata(_ form: Form) -> [(key: String, value: String)] {
        [
            ("model_type", "rnnlm"), ("version", "1"), ("model_author", "lockstep"),
            ("comment", form == .step ? "rnnlm with state" : "rnnlm without state"),
            ("sos_id", "\(frame.start)"), ("eos_id", "\(frame.end)"), ("vocab_size", "\(model.vocabulary)"),
            ("num_layers", "\(model.layers)"), ("hidden_size", Set(model.hidden).count == 1 ? "\(model.hidden[0])" : model.hidden.map(String.init).joined(separator: ",")),
            ("embedding_dim", "\(model.embedding)"), ("cell", model.cell.rawValue), ("connections", model.connections.rawValue),
        ]
    }
}

package enum ModelExportError: DiagnosedError, Equatable {
    /// The size of the parameters in bytes.
    case tooLarge(bytes: Int, limit: Int)

    /// A parameter with an infinity or NaN.
    case notFinite(tensor: String)

    /// ONNX's operators cannot express the cell.
    case noOperator(cell: String)

    /// Layers of several sizes in a form that has one tensor for the states of all.
    case unequalLayers(sizes: [Int])

    package var kind: FailureKind {
        switch self {
        case .tooLarge, .noOperator, .unequalLayers: .usage
        case .notFinite: .data
        }
    }

    package var diagnosis: Diagnosis {
        switch self {
        case .unequalLayers(let sizes):
            Diagnosis(
                "the form step has one tensor for the states of all layers, which must have one size", location: "model.hidden",
                expected: "layers of one size", found: sizes.map(String.init).joined(separator: ", "),
                remedy: "export the other form: --form sentences")
        case .tooLarge(let bytes, let limit):
            Diagnosis(
                "the model is too large for an ONNX file", expected: "at most \(limit) bytes of parameters", found: "\(bytes)",
                remedy: "export a model with fewer parameters: tie its weights, or reduce vocabulary or width")
        case .noOperator(let cell):
            Diagnosis(
                "ONNX has no operator for this cell", location: "model.cell", expected: "elman, lstm, gru or gru_reset_after, without further options",
                found: cell, remedy: "use the checkpoint's model.safetensors")
        case .notFinite(let tensor):
            Diagnosis("the model has weights that are not finite", location: tensor, remedy: "export an earlier checkpoint")
        }
    }
}
