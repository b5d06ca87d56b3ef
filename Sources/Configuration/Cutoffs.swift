/// Where the tails of an adaptive softmax begin: ids, or those that a rule finds for the training text.
package enum Cutoffs: SettingValue, ExpressibleByArrayLiteral {
    case auto
    case each([Int])

    package init(arrayLiteral ids: Int...) { self = .each(ids) }

    package init?(scalar: String, isPlain: Bool) {
        if scalar == "auto" {
            self = .auto
        } else if let sizes = LayerSizes(scalar: scalar, isPlain: isPlain), case .each(let ids) = sizes {
            self = .each(ids)
        } else {
            return nil
        }
    }

    package var scalar: String {
        switch self {
        case .auto: "auto"
        case .each(let ids): LayerSizes.each(ids).scalar
        }
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let ids = try? container.decode([Int].self) {
            self = .each(ids)
        } else if try container.decode(String.self) == "auto" {
            self = .auto
        } else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "neither auto nor a list of ids")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .auto: try container.encode("auto")
        case .each(let ids): try container.encode(ids)
        }
    }
}

extension Domain where Value == Cutoffs {
    static var ascending: Domain {
        Domain(description: "auto, or a list of at most 16 ids from 1 on, each above the one before, as in [2000, 10000]") {
            guard case .each(let ids) = $0 else { return true }
            return (1...16).contains(ids.count) && zip([0] + ids, ids).allSatisfy { $0 < $1 } && ids.last! <= Int32.max
        }
    }
}

/// The kinds of softmax, by their names.
package enum SoftmaxName: String, SettingChoice { case full, adaptive, sampled }
