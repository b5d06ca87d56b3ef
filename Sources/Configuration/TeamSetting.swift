import Collectives

/// `machine`, `cache`, or a number of ranks.
extension TeamExtent: SettingValue {
    package init?(scalar: String, isPlain: Bool) {
        switch scalar {
        case "machine": self = .machine
        case "cache": self = .cache
        default:
            guard let ranks = Int(scalar: scalar, isPlain: isPlain) else { return nil }
            self = .ranks(ranks)
        }
    }

    package var scalar: String {
        switch self {
        case .machine: "machine"
        case .cache: "cache"
        case .ranks(let ranks): ranks.scalar
        }
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let ranks = try? container.decode(Int.self) {
            self = .ranks(ranks)
        } else if let named = TeamExtent(scalar: try container.decode(String.self), isPlain: false) {
            self = named
        } else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "neither machine nor cache nor a number of ranks")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if case .ranks(let ranks) = self { try container.encode(ranks) } else { try container.encode(scalar) }
    }
}

extension Domain where Value == TeamExtent {
    static var any: Domain {
        let ranks = Domain<Int>.from(1, to: 65536)
        return Domain(description: "machine, cache, or \(ranks.description)") {
            if case .ranks(let count) = $0 { ranks.contains(count) } else { true }
        }
    }
}
