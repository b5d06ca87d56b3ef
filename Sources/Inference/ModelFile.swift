import Checkpoints
import Diagnostics
import Kernels
import Recurrent

/// Writes and reads parameters as `model.safetensors`, with PyTorch's names.
package enum ModelFile {
    package static let embeddingName = encoder
    static let (encoder, decoder) = ("encoder.weight", "decoder.weight")
    /// Of an adaptive softmax, in place of the decoder.
    static let head = "head.weight"
    static func isOfAdaptiveSoftmax(_ name: some StringProtocol) -> Bool { name.hasPrefix("head.") || name.hasPrefix("tail.") }

    /// What stands before the names of an adaptive softmax: PyTorch's module may be the model's `decoder`.
    static func adaptivePrefix(_ names: Set<String>, _ prefix: String) -> String {
        names.contains(prefix + head) ? prefix : prefix + "decoder."
    }

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
    /// that the model does not have are ignored, except those of `rnn` and of an adaptive softmax.
    /// - Throws: `SafetensorsError`; `ModelFileError.notTied`, `.tied`, `.notInModel`, `.notInFile`, `.bothDirections`, `.notFinite`.
    package static func load(_ file: SafetensorsFile, into parameters: Arena, model: ModelConfiguration) throws {
        try check(file, model: model)
        let prefix = prefix(of: file)
        let layout = parameters.layout
        let names = Set(file.names)
        for entry in layout.entries {
            try parameters.values(entry).withUnsafe {
                try file.read(place(of: entry.name, names, prefix, model), shape: entry.shape, into: $0)
            }
            // F64 may hold values that become infinite in single precision.
            guard parameters.values(entry).areFinite else {
                throw ModelFileError.notFinite(file: file.path, tensor: place(of: entry.name, names, prefix, model))
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
        let adaptivePrefix = adaptivePrefix(names, prefix)
        if !model.bidirectional, let reverse = reverseTensor(in: file) {
            throw ModelFileError.bothDirections(file: file.path, tensor: reverse)
        }
        for entry in layout.entries where !names.contains(place(of: entry.name, names, prefix, model)) {
            if entry.name.hasPrefix("rnn.") || isOfAdaptiveSoftmax(entry.name) {
                throw ModelFileError.notInFile(file: file.path, tensor: prefix + entry.name)
            }
            if entry.name == decoder, names.contains(adaptivePrefix + head) {
                throw ModelFileError.notInModel(file: file.path, tensor: adaptivePrefix + head)
            }
            let other = [encoder: decoder, decoder: encoder][entry.name]
            if !model.tied, let other, names.contains(prefix + other) { throw ModelFileError.tied(file: file.path, tensor: prefix + other) }
        }
        for entry in layout.entries { try file.require(place(of: entry.name, names, prefix, model), entry.shape) }
        let known = Set(layout.entries.map { place(of: $0.name, names, prefix, model) })
        let isAdaptive = known.contains(adaptivePrefix + head)
        let other = file.names.first { name in
            !known.contains(name)
                && (name.hasPrefix(prefix + "rnn.")
                    || isAdaptive && name.hasPrefix(adaptivePrefix) && isOfAdaptiveSoftmax(name.dropFirst(adaptivePrefix.count)))
        }
        if let other {
            throw ModelFileError.notInModel(file: file.path, tensor: other)
        }
    }

    /// The name of a weight of a layer that reads from the end; nil if the file has none.
    static func reverseTensor(in file: SafetensorsFile) -> String? {
        file.names.first { $0.hasPrefix(prefix(of: file) + "rnn.") && $0.hasSuffix("_reverse") }
    }

    /// The number of rows of the embedding in a file, or of the output layer; nil if the file has neither.
    package static func vocabularySize(of file: SafetensorsFile) -> Int? {
        let prefix = prefix(of: file)
        return [encoder, decoder].lazy.compactMap { try? file.shape(of: prefix + $0).first }.first
    }

    /// The name of the parameter in a file with these names; tied weights may have only that of the output layer.
    static func place(
        of name: String, _ names: Set<String>, _ prefix: String, _ model: ModelConfiguration
    ) -> String {
        if isOfAdaptiveSoftmax(name) { return adaptivePrefix(names, prefix) + name }
        return prefix + (model.tied && name == encoder && !names.contains(prefix + encoder) ? decoder : name)
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
        let model = try configuration(checkpoint.manifest.model, of: checkpoint.model, place: checkpoint.folder)
        let parameters = Arena(ParameterLayout(model))
        try load(checkpoint.model, into: parameters, model: model)
        return (model, parameters)
    }
}

extension SafetensorsFile {
    func require(_ name: String, _ shape: [Int]) throws {
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
