import Recurrent

/// What the key `model.cell` may name: a recurrent cell, or a model without one.
package enum ModelKind: Sendable, Equatable {
    case network(Cell)
    /// An n-gram model.
    case ngram
}

extension ModelKind: SettingChoice {
    package static var allCases: [ModelKind] { Cell.allCases.map(ModelKind.network) + [.ngram] }

    package init?(rawValue: String) {
        if let cell = Cell(rawValue: rawValue) {
            self = .network(cell)
        } else if rawValue == "ngram" {
            self = .ngram
        } else {
            return nil
        }
    }

    package var rawValue: String {
        switch self {
        case .network(let cell): cell.rawValue
        case .ngram: "ngram"
        }
    }

    package init(from decoder: any Decoder) throws {
        let name = try decoder.singleValueContainer().decode(String.self)
        guard let kind = ModelKind(rawValue: name) else {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "no model is called '\(name)'"))
        }
        self = kind
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }
}

extension RunConfiguration.Model {
    /// What the key `model.cell` says. An n-gram model keeps the default cell, of which nothing comes.
    package var kind: ModelKind {
        get { isNGram ? .ngram : .network(cell) }
        set {
            isNGram = newValue == .ngram
            cell = if case .network(let cell) = newValue { cell } else { RunConfiguration.Model().cell }
        }
    }
}

extension RunConfiguration {
    /// The keys that an n-gram model ignores and that have another value than their default.
    package var ignoredByNGrams: [String] {
        let used: Set = ["data.path", "model.cell", "model.order", "metrics.tensorboard", "watchdog.seconds"]
        return differences(from: RunConfiguration()).map(\.path).filter { !used.contains($0) }
    }
}
