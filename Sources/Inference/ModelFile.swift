import Checkpoints
import Diagnostics
import Kernels
import Recurrent

/// Writes and reads parameters as `model.safetensors`, with PyTorch's names.
package enum ModelFile {
    static let (encoder, decoder) = ("encoder.weight", "decoder.weight")

    /// Every parameter; with tied weights, the one matrix under both names, because `load_state_dict` needs both.
    package static func tensors(_ parameters: Arena, model: ModelConfiguration) -> [NamedTensor] {
        var tensors = parameters.layout.entries.map { entry in
            NamedTensor(entry.name, shape: entry.shape, parameters.values(entry))
        }
        if model.tied {
            let entry = parameters.layout[encoder]
            tensors.append(NamedTensor(decoder, shape: entry.shape, parameters.values(entry)))
        }
        return tensors
    }

    /// Reads every parameter of `model`: F32, or F16, BF16 and F64, which become F32.
    ///
    /// All names may share a prefix, such as `module.` (PyTorch's DistributedDataParallel) or `_orig_mod.`
    /// (`torch.compile`). Tied weights may be stored under either name (`safetensors.torch.save_model` keeps one). Tensors
    /// outside `rnn` that the model does not have are ignored.
    /// - Throws: `SafetensorsError`; `ModelFileError.notTied`, `.tied`, `.notInModel`, `.notInFile`, `.notFinite`.
    package static func load(_ file: SafetensorsFile, into parameters: Arena, model: ModelConfiguration) throws {
        try check(file, model: model)
        let prefix = prefix(of: file)
        let layout = parameters.layout
        let names = Set(file.names)
        for entry in layout.entries {
            try parameters.values(entry).withUnsafe {
                try file.read(place(of: entry, names, prefix, model), shape: entry.shape, into: $0)
            }
            // F64 may hold values that become infinite in single precision.
            guard parameters.values(entry).areFinite else {
                throw ModelFileError.notFinite(file: file.path, tensor: place(of: entry, names, prefix, model))
            }
        }
        if model.tied, names.contains(prefix + decoder) {
            let output: [Float] = try file.elements(of: prefix + decoder)
            guard output.elementsEqual(parameters.values(layout[encoder])) else { throw ModelFileError.notTied(file: file.path) }
        }
    }

    /// Checks that `load` would find every parameter with its shape, without reading numbers.
    /// - Throws: like `load`, except `.notTied` and `.notFinite`.
    package static func check(_ file: SafetensorsFile, model: ModelConfiguration) throws {
        let prefix = prefix(of: file)
        let layout = ParameterLayout(model)
        let names = Set(file.names)
        for entry in layout.entries where !names.contains(prefix + entry.name) {
            if entry.name.hasPrefix("rnn.") { throw ModelFileError.notInFile(file: file.path, tensor: prefix + entry.name) }
            let other = [encoder: decoder, decoder: encoder][entry.name]
            if !model.tied, let other, names.contains(prefix + other) { throw ModelFileError.tied(file: file.path, tensor: prefix + other) }
        }
        for entry in layout.entries { try file.require(place(of: entry, names, prefix, model), entry.shape) }
        let known = Set(layout.entries.map { prefix + $0.name })
        if let other = file.names.first(where: { $0.hasPrefix(prefix + "rnn.") && !known.contains($0) }) {
            throw ModelFileError.notInModel(file: file.path, tensor: other)
        }
    }

    /// The number of rows of the embedding in a file, or of the output layer; nil if the file has neither.
    package static func vocabularySize(of file: SafetensorsFile) -> Int? {
        let prefix = prefix(of: file)
        return [encoder, decoder].lazy.compactMap { try? file.shape(of: prefix + $0).first }.first
    }

    /// The name of the parameter in a file with these names; tied weights may have only that of the output layer.
    private static func place(
        of entry: ParameterLayout.Entry, _ names: Set<String>, _ prefix: String, _ model: ModelConfiguration
    ) -> String {
        prefix + (model.tied && entry.name == encoder && !names.contains(prefix + encoder) ? decoder : entry.name)
    }

    /// What stands before the embedding's name, or before the output layer's; empty when that is not clear.
    static func prefix(of file: SafetensorsFile) -> String {
        for name in [encoder, decoder] {
            let found = file.names.filter { $0 == name || $0.hasSuffix("." + name) }
            if found.contains(name) { return "" }
            if found.count == 1 { return String(found[0].dropLast(name.count)) }
        }
        return ""
    }

    /// The parameters of a checkpoint, for evaluation.
    /// - Throws: `ModelFileError`, `SafetensorsError`.
    package static func load(_ checkpoint: LoadedCheckpoint) throws -> (ModelConfiguration, Arena) {
        let summary = checkpoint.manifest.model
        let file = checkpoint.model
        let place = checkpoint.folder
        guard let cell = Cell(rawValue: summary.cell) else {
            throw ModelFileError.unknown(
                what: "cell", file: place, found: summary.cell, known: Cell.allCases.map(\.rawValue))
        }
        guard let activation = Activation(rawValue: summary.activation) else {
            throw ModelFileError.unknown(
                what: "activation", file: place, found: summary.activation, known: Activation.allCases.map(\.rawValue))
        }
        guard summary.layers <= file.tensors.count else { throw ModelFileError.inconsistent(file: place) }
        let hidden = summary.hiddenSizes ?? Array(repeating: summary.hidden, count: summary.layers)
        guard hidden.count == summary.layers else { throw ModelFileError.inconsistent(file: place) }
        var model = ModelConfiguration(
            cell: cell, activation: activation, vocabulary: summary.vocabularySize, embedding: summary.embedding, hidden: hidden)
        model.tied = summary.tied
        for (name, value) in (summary.options ?? [:]).sorted(by: { $0.key < $1.key }) where !model.set(name, to: value) {
            throw ModelFileError.unknown(
                what: "model option", file: place, found: "\(name): \(value)", known: ModelOption.all.map(\.name))
        }
        guard model.widthsFit else { throw ModelFileError.inconsistent(file: place) }
        // Before these sizes are added up or allocated: the file must really have tensors of these sizes.
        for parameter in model.plans(.token).flatMap(\.parameters) { try file.require(parameter.name, parameter.shape) }
        if let lineEnd = summary.lineEnd {
            guard let rule = LineEnd.Rule(rawValue: lineEnd.rule) else {
                throw ModelFileError.unknown(
                    what: "rule for line ends", file: place, found: lineEnd.rule, known: LineEnd.Rule.allCases.map(\.rawValue))
            }
            guard (0..<summary.vocabularySize).contains(lineEnd.token) else { throw ModelFileError.inconsistent(file: place) }
            model.lineEnd = LineEnd(token: Int32(lineEnd.token), rule: rule)
        }
        let layout = ParameterLayout(model)
        let parameters = Arena(layout)
        try load(file, into: parameters, model: model)
        return (model, parameters)
    }
}

extension SafetensorsFile {
    fileprivate func require(_ name: String, _ shape: [Int]) throws {
        let found = try self.shape(of: name)
        guard found == shape else {
            throw SafetensorsError.otherShape(file: path, tensor: name, expected: shape, found: found)
        }
    }
}

extension NamedTensor {
    package init(_ name: String, shape: [Int], _ elements: Elements) {
        self.init(name, shape: shape) { body in try elements.withUnsafe { try body(UnsafeBufferPointer($0)) } }
    }
}

extension ModelSummary {
    package init(_ model: ModelConfiguration) {
        self.init(
            cell: model.cell.rawValue, activation: model.activation.rawValue, embedding: model.embedding, hidden: model.hidden,
            tied: model.tied, vocabularySize: model.vocabulary, options: model.options.isEmpty ? nil : model.options,
            lineEnd: model.lineEnd.map { .init(rule: $0.rule.rawValue, token: Int($0.token)) })
    }
}

package enum ModelFileError: DiagnosedError, Equatable {
    case unknown(what: String, file: String, found: String, known: [String])
    case inconsistent(file: String)
    case notTied(file: String)
    /// NaN or infinity among the weights.
    case notFinite(file: String, tensor: String)
    /// One matrix for both, `tensor`, although the model has two.
    case tied(file: String, tensor: String)
    /// A recurrent weight of the model is missing from the file.
    case notInFile(file: String, tensor: String)
    /// The file has a recurrent weight that would be lost.
    case notInModel(file: String, tensor: String)
    /// The shapes of several cells.
    case unclearCell(file: String, cells: [String])
    case otherCell(file: String, tensor: String, expected: [Int], found: [Int])

    package var kind: FailureKind { .data }

    package var diagnosis: Diagnosis {
        switch self {
        case .unknown(let what, let file, let found, let known):
            Diagnosis(
                "unknown \(what)", file: file, location: "manifest.json", expected: known.joined(separator: ", "),
                found: "'\(found)'", remedy: "use the version of lockstep that wrote it, or another checkpoint")
        case .inconsistent(let file):
            Diagnosis(
                "the model's description contradicts itself", file: file, location: "manifest.json",
                remedy: "use another checkpoint")
        case .notTied(let file):
            Diagnosis(
                "the model is configured as tied, but decoder.weight differs from encoder.weight", file: file,
                remedy: "set model.tied to false or use another file")
        case .notFinite(let file, let tensor):
            Diagnosis(
                "weights that single precision cannot hold", file: file, location: tensor.printable,
                found: "NaN or infinity", remedy: "use weights from before the training diverged")
        case .tied(let file, let tensor):
            Diagnosis(
                "the file has one matrix for embedding and output, \(tensor.printable); the model is configured with two", file: file,
                remedy: "set model.tied to true, and model.embedding and model.hidden to the same size")
        case .unclearCell(let file, let cells):
            Diagnosis(
                "the shapes are those of more than one cell", file: file, found: cells.joined(separator: " or "),
                remedy: "say which with --cell; torch.nn.GRU is gru_reset_after")
        case .otherCell(let file, let tensor, let expected, let found):
            Diagnosis(
                "not the recurrent weights of such a cell", file: file, location: tensor.printable,
                expected: "[\(expected.map(String.init).joined(separator: ", "))]",
                found: "[\(found.map(String.init).joined(separator: ", "))]".printable,
                remedy: "lstm has 4 H rows, gru and gru_reset_after 3 H, elman H, for H columns; window has n columns for each value of its input")
        case .notInFile(let file, let tensor):
            Diagnosis(
                "the file lacks this tensor of the model as configured", file: file, location: tensor.printable,
                remedy: "set model.layers, model.cell and model.normalization as the file has them; lockstep inspect shows its tensors")
        case .notInModel(let file, let tensor):
            Diagnosis(
                "the model as configured does not have this tensor", file: file, location: tensor.printable,
                remedy: "set model.layers, model.cell and model.normalization as the file has them (one direction, no projection)")
        }
    }
}
