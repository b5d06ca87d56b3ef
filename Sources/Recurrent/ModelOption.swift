/// A choice about a model's layers beside cell and sizes, by its name in configurations (`model.NAME`) and checkpoints. Checkpoints have
/// those that differ from the default, so that older programs' files need none.
package struct ModelOption: Sendable {
    package static let all = [gates, peepholes, window, normalization, connections, bidirectional, softmax, output, values]

    package let name: String
    /// Nil for the default.
    package let value: @Sendable (ModelConfiguration) -> String?
    /// - Returns: false for a value that does not exist.
    let set: @Sendable (inout ModelConfiguration, String) -> Bool

    private static let gates = ModelOption(name: "gates") { model in
        model.absentGates.isEmpty ? nil : Gate.allCases.filter(model.gates.contains).map(\.rawValue).joined(separator: ",")
    } set: { model, value in
        let gates = value.split(separator: ",").map { Gate(rawValue: String($0)) }
        model.gates = Set(gates.compactMap(\.self))
        return gates.count == model.gates.count
    }

    private static let peepholes = ModelOption(name: "peepholes") { model in
        model.peepholes == .none ? nil : model.peepholes.rawValue
    } set: { model, value in
        guard let peepholes = Peepholes(rawValue: value) else { return false }
        model.peepholes = peepholes
        return true
    }

    private static let window = ModelOption(name: "window") { model in
        model.window == 1 ? nil : "\(model.window)"
    } set: { model, value in
        guard let window = Int(value), ModelConfiguration.windows.contains(window) else { return false }
        model.window = window
        return true
    }

    private static let normalization = ModelOption(name: "normalization") { model in
        model.normalization == .none ? nil : model.normalization.rawValue
    } set: { model, value in
        guard let normalization = Normalization(rawValue: value) else { return false }
        model.normalization = normalization
        return true
    }

    private static let connections = ModelOption(name: "connections") { model in
        model.connections == .none ? nil : model.connections.rawValue
    } set: { model, value in
        guard let connections = Connections(rawValue: value) else { return false }
        model.connections = connections
        return true
    }

    private static let bidirectional = ModelOption(name: "bidirectional") { model in
        model.bidirectional ? "true" : nil
    } set: { model, value in
        guard value == "true" || value == "false" else { return false }
        model.bidirectional = value == "true"
        return true
    }

    private static let softmax = ModelOption(name: "softmax") { model in
        if case .adaptive(let softmax) = model.softmax { softmax.text } else { nil }
    } set: { model, value in
        guard let softmax = AdaptiveSoftmax(text: value, vocabulary: model.vocabulary) else { return false }
        model.softmax = .adaptive(softmax)
        return true
    }

    private static let values = ModelOption(name: "values") { model in
        model.values.map { "\($0)" }
    } set: { model, value in
        guard let values = Int(value), 1...(1 << 16) ~= values else { return false }
        model.values = values
        model.readsSequences = true
        return true
    }

    private static let output = ModelOption(name: "output") { model in
        model.output.text
    } set: { model, value in
        guard let output = Output(text: value) else { return false }
        model.output = output
        model.readsSequences = true
        return true
    }
}

extension ModelConfiguration {
    /// The options that differ from their defaults.
    package var options: [String: String] {
        Dictionary(uniqueKeysWithValues: ModelOption.all.compactMap { option in option.value(self).map { (option.name, $0) } })
    }

    /// - Returns: false if this program does not know the option or its value.
    package mutating func set(_ name: String, to value: String) -> Bool {
        guard let option = ModelOption.all.first(where: { $0.name == name }) else { return false }
        return option.set(&self, value)
    }
}
