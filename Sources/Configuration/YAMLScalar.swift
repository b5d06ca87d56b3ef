extension String {
    /// A YAML scalar that is this text, whatever its characters: in double quotes, since single ones fold line ends.
    package var yamlScalar: String {
        let escaped = unicodeScalars.map { scalar in
            switch scalar.properties.generalCategory {
            case _ where scalar == "\n": "\\n"
            case _ where scalar == "\"" || scalar == "\\": "\\\(scalar)"
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned, .surrogate:
                "\\U" + String(UInt64(scalar.value) + 0x1_0000_0000, radix: 16).dropFirst()
            default: String(scalar)
            }
        }
        return "\"\(escaped.joined())\""
    }
}
