import Diagnostics
import Recurrent

extension Gate: Codable {}

/// A list of gates, as in `[input, forget]`; `[]` for none.
extension Set: SettingValue where Element == Gate {
    package init?(scalar: String, isPlain: Bool) {
        guard isPlain, scalar.hasPrefix("["), scalar.hasSuffix("]") else { return nil }
        let names = scalar.dropFirst().dropLast().split(separator: ",").map { $0.filter { $0 != " " } }
        let gates = names.compactMap(Gate.init(rawValue:))
        self = Set(gates)
        if count != names.count { return nil }
    }

    package var scalar: String { "[\(Gate.allCases.filter(contains).map(\.rawValue).joined(separator: ", "))]" }
}

extension Domain where Value == Set<Gate> {
    static var any: Domain {
        Domain(description: "a list of \(alternatives(Gate.allCases.map(\.rawValue))), each at most once, as in [input, forget]") { _ in true }
    }
}
