/// The size of each recurrent layer's state: one number for all layers, or a list with one for each, from the bottom.
package enum LayerSizes: SettingValue, ExpressibleByIntegerLiteral, ExpressibleByArrayLiteral {
    case all(Int)
    case each([Int])

    package init(integerLiteral size: Int) { self = .all(size) }
    package init(arrayLiteral sizes: Int...) { self = .each(sizes) }

    package init?(scalar: String, isPlain: Bool) {
        if let size = Int(scalar: scalar, isPlain: isPlain) {
            self = .all(size)
        } else if isPlain, scalar.hasPrefix("["), scalar.hasSuffix("]") {
            let parts = scalar.dropFirst().dropLast().split(separator: ", ", omittingEmptySubsequences: false)
            let sizes = parts.compactMap { Int($0) }
            guard sizes.count == parts.count else { return nil }
            self = .each(sizes)
        } else {
            return nil
        }
    }

    package var scalar: String {
        switch self {
        case .all(let size): size.scalar
        case .each(let sizes): "[\(sizes.map(\.scalar).joined(separator: ", "))]"
        }
    }

    /// One size for each layer; nil if the list has another length.
    package func sizes(layers: Int) -> [Int]? {
        switch self {
        case .all(let size): Array(repeating: size, count: layers)
        case .each(let sizes): sizes.count == layers ? sizes : nil
        }
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        self = if let size = try? container.decode(Int.self) { .all(size) } else { .each(try container.decode([Int].self)) }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .all(let size): try container.encode(size)
        case .each(let sizes): try container.encode(sizes)
        }
    }
}

extension Domain where Value == LayerSizes {
    static func from(_ low: Int, to high: Int) -> Domain {
        let one = Domain<Int>.from(low, to: high)
        return Domain(description: "\(one.description), or a list of them, one for each layer") {
            switch $0 {
            case .all(let size): one.contains(size)
            case .each(let sizes): !sizes.isEmpty && sizes.allSatisfy(one.contains)
            }
        }
    }
}
