import FoundationEssentials

/// What every option `--json` prints: sorted keys, `like_this`, whatever the properties are called; numbers that are not
/// finite as the texts "nan", "infinity" and "-infinity". JSON is UTF-8: the value gives `legible` forms of paths.
enum JSONText {
    /// Indented; without a newline at the end.
    static func page(_ value: some Encodable) throws -> String { try encode(value, .prettyPrinted) }

    /// One line; without a newline at the end.
    static func line(_ value: some Encodable) throws -> String { try encode(value, []) }

    private static func encode(_ value: some Encodable, _ form: JSONEncoder.OutputFormatting) throws -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = form.union([.sortedKeys, .withoutEscapingSlashes])
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "infinity", negativeInfinity: "-infinity", nan: "nan")
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}
