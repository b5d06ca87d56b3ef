import Yams

extension RunConfiguration {
    /// The complete configuration, every key in the order of `settings`; `load` reads it back to an equal value.
    package var yaml: String {
        func tree(_ settings: ArraySlice<Setting>, depth: Int) -> Node {
            var pairs: [(Node, Node)] = []
            var rest = settings
            while let first = rest.first {
                let name = first.path[depth]
                let group = rest.prefix { $0.path[depth] == name }
                let isLeaf = first.path.count == depth + 1
                pairs.append((Node(name), isLeaf ? first.node(self) : tree(group, depth: depth + 1)))
                rest = rest.dropFirst(group.count)
            }
            return Node(pairs)
        }
        do {
            // Only quoted text can hold an ampersand. Escaped, since `load` may take ` &name` for an anchor even there.
            return try serialize(node: tree(Self.settings[...], depth: 0), allowUnicode: true)
                .replacing("&", with: "\\x26")
        } catch {
            preconditionFailure("a tree of scalars can always be written: \(error)")
        }
    }

    /// Each key with its value as written in YAML, for hashes and messages.
    package var values: [(path: String, value: String)] {
        Self.settings.map { ($0.dotted, $0.scalar(self)) }
    }

    /// One key with different values in two configurations.
    package struct Difference: Sendable, Equatable {
        /// `training.clip.norm`
        package let path: String
        package let old: String
        package let new: String
        /// A run started with `old` cannot resume with `new`: the key decides tensor shapes, the optimizer's slots, or which
        /// tokens belong to which stream.
        package let isStructural: Bool
    }

    /// What changed from `other` to this configuration, in the order of the file.
    package func differences(from other: RunConfiguration) -> [Difference] {
        Self.settings.compactMap { setting in
            let (old, new) = (setting.scalar(other), setting.scalar(self))
            return old == new
                ? nil : Difference(path: setting.dotted, old: old, new: new, isStructural: setting.isStructural)
        }
    }
}

/// The same nesting and names as in the YAML file. Missing keys take their defaults, so that configurations
/// written before a key existed can still be read; the result is validated.
extension RunConfiguration: Codable {
    package func encode(to encoder: any Encoder) throws {
        let root = encoder.container(keyedBy: SettingKey.self)
        for setting in Self.settings {
            var container = root
            for group in setting.path.dropLast() {
                container = container.nestedContainer(keyedBy: SettingKey.self, forKey: SettingKey(group))
            }
            try setting.encode(self, &container)
        }
    }

    package init(from decoder: any Decoder) throws {
        self.init()
        let root = try decoder.container(keyedBy: SettingKey.self)
        settings: for setting in Self.settings {
            var container = root
            for group in setting.path.dropLast() {
                guard container.contains(SettingKey(group)) else { continue settings }
                container = try container.nestedContainer(keyedBy: SettingKey.self, forKey: SettingKey(group))
            }
            if container.contains(SettingKey(setting.path.last!)) { try setting.decode(container, &self) }
        }
        try validate()
    }
}

extension Setting {
    /// The value as it is written in YAML.
    fileprivate func node(_ configuration: RunConfiguration) -> Node {
        let text = scalar(configuration)
        if isFreeText { return Node(text, .implicit, .doubleQuoted) }
        guard text.hasPrefix("[") else { return Node(text, .implicit, .plain) }
        let items = text.dropFirst().dropLast().split(separator: ", ").map { Node(String($0), .implicit, .plain) }
        return Node(items, .implicit, .flow)
    }
}
