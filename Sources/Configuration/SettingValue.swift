import Diagnostics

/// A type that a setting can have: one YAML scalar.
package protocol SettingValue: Codable, Sendable, Equatable {
    /// Nil if the scalar is of another type. `isPlain` is false for quoted scalars, which are always text.
    init?(scalar: String, isPlain: Bool)
    /// As written in YAML, and in messages.
    var scalar: String { get }
}

/// A setting that is one name of a fixed list.
package protocol SettingChoice: SettingValue, CaseIterable, RawRepresentable where RawValue == String {}

extension SettingChoice {
    package init?(scalar: String, isPlain: Bool) { self.init(rawValue: scalar) }
    package var scalar: String { rawValue }
}

extension Int: SettingValue {
    package init?(scalar: String, isPlain: Bool) {
        guard isPlain, let value = Int(scalar) else { return nil }
        self = value
    }
    package var scalar: String { String(self) }
}

extension UInt64: SettingValue {
    package init?(scalar: String, isPlain: Bool) {
        guard isPlain, let value = UInt64(scalar) else { return nil }
        self = value
    }
    package var scalar: String { String(self) }
}

extension Double: SettingValue {
    /// Decimal only: Swift's own parser also takes `nan`, `infinity` and hexadecimal.
    package init?(scalar: String, isPlain: Bool) {
        guard isPlain, scalar.utf8.allSatisfy({ "0123456789+-.eE".utf8.contains($0) }), let value = Double(scalar)
        else {
            return nil
        }
        self = value
    }
    /// The shortest digits that read back as the same value.
    package var scalar: String {
        let digits = String(describing: self)
        return digits.hasSuffix(".0") ? String(digits.dropLast(2)) : digits
    }
}

extension Bool: SettingValue {
    package init?(scalar: String, isPlain: Bool) {
        guard isPlain, let value = Bool(scalar.lowercased()) else { return nil }
        self = value
    }
    package var scalar: String { String(self) }
}

extension String: SettingValue {
    package init?(scalar: String, isPlain: Bool) {
        if isPlain, isNull(scalar) { return nil }
        self = scalar
    }
    package var scalar: String { self }
}

extension Optional: SettingValue where Wrapped: SettingValue {
    package init?(scalar: String, isPlain: Bool) {
        if isPlain, isNull(scalar) {
            self = .none
        } else if let value = Wrapped(scalar: scalar, isPlain: isPlain) {
            self = value
        } else {
            return nil
        }
    }
    package var scalar: String { self?.scalar ?? "null" }
}

func isNull(_ plainScalar: String) -> Bool { ["", "~", "null", "Null", "NULL"].contains(plainScalar) }

/// The permitted values of a setting, and how a message describes them.
struct Domain<Value: SettingValue>: Sendable {
    let description: String
    let contains: @Sendable (Value) -> Bool

    static func nullOr<Wrapped>(_ domain: Domain<Wrapped>) -> Domain where Value == Wrapped? {
        Domain(description: "\(domain.description), or null") { $0.map(domain.contains) ?? true }
    }
}

extension Domain where Value == Int {
    static func from(_ low: Int, to high: Int) -> Domain {
        Domain(description: "a whole number from \(low) to \(high)") { low <= $0 && $0 <= high }
    }
}

extension Domain where Value == UInt64 {
    static var any: Domain { Domain(description: "a whole number from 0 to \(UInt64.max)") { _ in true } }
}

extension Domain where Value == Double {
    static var positive: Domain {
        Domain(description: "a number above 0 (from 1.2e-38 to 3.4e38)") { $0 > 0 && isSingle($0) }
    }
    static var notNegative: Domain {
        Domain(description: "a number of at least 0 (0, or from 1.2e-38 to 3.4e38)") { $0 >= 0 && isSingle($0) }
    }
    static func upTo(_ high: Double) -> Domain {
        Domain(description: "a number from 0 to \(high.scalar)") { $0 >= 0 && $0 <= high }
    }

    static func from(_ low: Double, to high: Double) -> Domain {
        Domain(description: "a number from \(low.scalar) to \(high.scalar)") { $0 >= low && $0 <= high }
    }

    static func zeroOr(from low: Double, to high: Double) -> Domain {
        Domain(description: "0, or a number from \(low.scalar) to \(high.scalar)") { $0 == 0 || $0 >= low && $0 <= high }
    }

    /// Whether single precision holds it: zero, or neither infinite nor denormal, which arithmetic flushes to zero.
    private static func isSingle(_ value: Double) -> Bool { value == 0 || Float(value).isNormal }

    static var belowOne: Domain {
        // Rounded to single precision, too.
        Domain(description: "a number of at least 0 and below 1") { $0 >= 0 && Float($0) < 1 && isSingle($0) }
    }
    static var upToOne: Domain { Domain(description: "a number above 0 and at most 1") { $0 > 0 && $0 <= 1 } }
}

extension Domain where Value == Bool {
    static var any: Domain { Domain(description: "true or false") { _ in true } }
}

extension Domain where Value == String {
    /// Yams takes a byte-order mark from the start of a text, so that a path with one would not be read back.
    static var path: Domain {
        Domain(description: "a path") {
            !$0.isEmpty && !$0.utf8.contains(0) && !$0.unicodeScalars.contains("\u{FEFF}")
        }
    }
}

extension Domain where Value: SettingChoice {
    static var any: Domain {
        Domain(description: alternatives(Value.allCases.map(\.rawValue))) { _ in true }
    }
}
