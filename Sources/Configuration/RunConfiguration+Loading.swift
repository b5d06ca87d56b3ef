import Files
import Yams

extension RunConfiguration {
    /// The defaults, changed by `file`, changed by each of `overrides` in turn, and validated.
    ///
    /// An override is `key.path=value` with the value in YAML: `training.clip.norm=5`, `training.steps=null`,
    /// `model={cell: gru, layers: 1}`.
    /// - Throws: `ConfigurationError` for the first thing that is wrong.
    package static func load(file: String?, overrides: [String] = []) throws -> RunConfiguration {
        try load(yaml: file.map(text) ?? "", name: file ?? "", overrides: overrides)
    }

    /// Yams compares keys with everything nested in them, which takes depth times size; the limit bounds the time for a hostile text.
    private static let largest = 1 << 14

    /// As above, from YAML in memory (a checkpoint's); errors refer to it by `name`.
    package static func load(yaml: String, name: String, overrides: [String] = []) throws -> RunConfiguration {
        guard yaml.utf8.count <= largest else {
            throw ConfigurationError.syntax(
                "\(yaml.utf8.count) bytes (limit \(largest))", .init(file: name, location: "the whole text"))
        }
        var configuration = RunConfiguration()
        try configuration.apply(YAMLDocument(yaml) { .init(file: name, location: $0) })
        for override in overrides {
            let option = abbreviated(override)
            guard let equals = override.firstIndex(of: "=") else {
                throw ConfigurationError.malformedOverride(option)
            }
            let path = override[..<equals].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
            let value = override[override.index(after: equals)...]
            let document = YAMLDocument(String(value)) { _ in .init(file: nil, location: "--set \(option)") }
            try configuration.apply(document, at: path)
        }
        try configuration.validate()
        return configuration
    }

    /// Reads a file that should be a small text.
    private static func text(of file: String) throws -> String {
        let bytes: [UInt8]
        do {
            bytes = try File.contents(of: file, limit: largest)
        } catch let error as FileError {
            throw ConfigurationError.unreadable(error)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            let repaired = String(decoding: bytes, as: UTF8.self).utf8
            let offset = zip(bytes, repaired).prefix { $0 == $1 }.count
            throw ConfigurationError.notText(file: file, offset: offset)
        }
        return text
    }

    private mutating func apply(_ document: YAMLDocument, at path: [String] = []) throws {
        var root = try document.root()
        // A deeper path is unknown anyway, and a tree of any depth would overflow the stack.
        let deepest = Self.settings.lazy.map(\.path.count).max()!
        // `a.b=c` is the document `a: {b: c}`.
        for name in path.prefix(deepest + 1).reversed() { root = Node([(Node(name), root)]) }
        try apply(root, at: [], in: document)
    }

    private mutating func apply(_ node: Node, at path: [String], in document: YAMLDocument) throws {
        if let setting = Self.settings.first(where: { $0.path == path }) {
            guard let value = node.value, setting.assign(value.text, value.isPlain, &self) else {
                throw ConfigurationError.wrongValue(
                    setting.dotted, expected: setting.expected, found: node.summary, document.place(of: node))
            }
            return
        }
        if path == ["training", "clip"] { training.clip = Clip(norm: nil, value: nil) }
        switch node {
        case .scalar(let scalar) where scalar.isPlain && isNull(scalar.string):
            return  // A heading with all its keys commented out.
        case .mapping(let mapping):
            for (key, value) in mapping {
                guard case .scalar(let name) = key else {
                    throw ConfigurationError.wrongValue(
                        Self.shown(path), expected: "names as keys", found: key.summary, document.place(of: key))
                }
                let inner = path + [name.string]
                guard Self.settings.contains(where: { $0.path.starts(with: inner) }) else {
                    throw Self.unknownKey(inner, value, document.place(of: key))
                }
                try apply(value, at: inner, in: document)
            }
        default:
            throw ConfigurationError.wrongValue(
                Self.shown(path), expected: "keys with values (\(Self.names(in: path[...]).joined(separator: ", ")))",
                found: node.summary, document.place(of: node))
        }
    }

    private static func shown(_ path: [String]) -> String {
        path.isEmpty ? "the configuration" : path.joined(separator: ".")
    }
}
