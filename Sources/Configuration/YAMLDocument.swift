import Yams

/// One YAML text that may come from a stranger. Parsed to nodes with positions, and no further.
struct YAMLDocument {
    private let text: String
    private let place: (_ position: String) -> ConfigurationError.Place

    /// `place` completes a position ("line 3, column 5") with the origin of the text.
    init(_ text: String, place: @escaping (String) -> ConfigurationError.Place) {
        self.text = text
        self.place = place
    }

    func place(of node: Node) -> ConfigurationError.Place {
        place(line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
    }

    /// The root node, an empty scalar for an empty text.
    /// - Throws: `ConfigurationError.syntax`, `.anchor` or `.duplicateKey`.
    func root() throws -> Node {
        try refuseAnchors()
        do {
            // Without rules for types every scalar stays text: the setting knows its type.
            let parser = try Parser(yaml: text, resolver: .basic, encoding: .utf8)
            return try parser.singleRoot() ?? Node("", .implicit, .plain)
        } catch let error as YamlError {
            throw diagnosed(error)
        }
    }

    /// Yams compares the keys of a mapping, and a key made of aliases of aliases takes forever to compare: anchors that have
    /// an alias are refused before parsing. An anchor is `&`, an alias `*`, and a name, not inside a word. Comments and
    /// quoted text are searched too.
    private func refuseAnchors() throws {
        let aliases = Set(names(after: "*").map(\.name))
        guard !aliases.isEmpty else { return }
        for anchor in names(after: "&") where aliases.contains(anchor.name) {
            throw ConfigurationError.anchor(place(line: anchor.line, column: anchor.column))
        }
    }

    /// The names that follow an indicator, and where it stands.
    private func names(after indicator: Unicode.Scalar) -> [(name: String, line: Int, column: Int)] {
        var names: [(name: String, line: Int, column: Int)] = []
        var (line, column) = (1, 0)
        var isInName = false
        var previous: Unicode.Scalar = "\n"
        var beforePrevious: Unicode.Scalar = "\n"
        for scalar in text.unicodeScalars {
            if isInName, scalar.isNameCharacter {
                names[names.count - 1].name.unicodeScalars.append(scalar)
            } else {
                isInName = previous == indicator && scalar.isNameCharacter && !beforePrevious.isLetterOrDigit
                if isInName { names.append((String(scalar), line, column)) }
            }
            if scalar == "\n" {
                line += 1
                column = 0
            } else {
                column += 1
            }
            (beforePrevious, previous) = (previous, scalar)
        }
        return names
    }

    private func place(line: Int, column: Int) -> ConfigurationError.Place {
        place("line \(line), column \(column)")
    }

    private func diagnosed(_ error: YamlError) -> ConfigurationError {
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let problem = [context?.text, problem].compactMap(\.self).joined(separator: ": ")
            return .syntax(problem, place(line: mark.line, column: mark.column))
        case .reader(let problem, let offset, _, _):
            let line = text.prefix(offset ?? 0).count { $0.isNewline } + 1
            return .syntax(problem, place("line \(line)"))
        case .duplicatedKeysInMapping(let keys, let context):
            let mark = context.mark
            return .duplicateKey(abbreviated(keys.first ?? ""), place(line: mark.line, column: mark.column))
        default:
            return .syntax("\(error)", place("the whole text"))
        }
    }
}

extension Node.Scalar {
    var isPlain: Bool { style == .plain }
}

extension Node {
    /// The text of a scalar, or of a list of plain scalars as in `[1, 2]`, and whether it is plain.
    var value: (text: String, isPlain: Bool)? {
        switch self {
        case .scalar(let scalar): return (scalar.string, scalar.isPlain)
        case .sequence(let sequence):
            let items = sequence.compactMap { if case .scalar(let item) = $0, item.isPlain { item.string } else { nil } }
            return items.count == sequence.count ? ("[\(items.joined(separator: ", "))]", true) : nil
        default: return nil
        }
    }

    /// For messages: quotes are kept, since `"5"` is text and `5` is a number.
    var summary: String {
        switch self {
        case .scalar(let scalar) where scalar.isPlain: scalar.string.isEmpty ? "nothing" : abbreviated(scalar.string)
        case .scalar(let scalar): "\"\(abbreviated(scalar.string))\""
        case .mapping: "keys with values"
        case .sequence: value.map { abbreviated($0.text) } ?? "a list"
        case .alias: "an alias"
        }
    }
}

extension Unicode.Scalar {
    /// ASCII only, as in YAML.
    fileprivate var isLetterOrDigit: Bool {
        ("0"..."9").contains(self) || ("A"..."Z").contains(self) || ("a"..."z").contains(self)
    }
    fileprivate var isNameCharacter: Bool { isLetterOrDigit || self == "_" || self == "-" }
}

/// Foreign text made fit for a message: at most 60 characters, no control characters.
func abbreviated(_ text: String) -> String {
    let clean = String(
        String.UnicodeScalarView(
            text.unicodeScalars.prefix(60).map { $0.properties.generalCategory == .control ? "?" : $0 }))
    return text.unicodeScalars.count > 60 ? clean + "..." : clean
}
