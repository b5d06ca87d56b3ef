import Diagnostics
import Yams

extension RunConfiguration {
    /// Describes the unknown key `path`, whose value is `value`, with what was likely meant.
    static func unknownKey(_ path: [String], _ value: Node, _ place: ConfigurationError.Place) -> ConfigurationError {
        let path = path.map(abbreviated)
        let (group, name) = (path.dropLast(), path.last!)

        // A typo in this name.
        let siblings = names(in: group)
        if let near = nearestName(to: name, among: siblings) {
            return .unknownKey(dotted(path), candidates: [dotted(group + [near])], place)
        }
        // The right name in the wrong place, or under a misspelt heading: look at the first key below.
        let full = path + firstPath(in: value)
        let known = settings.map(\.dotted)
        if let end = nearestName(to: full.last!, among: settings.map { $0.path.last! }) {
            let homes = settings.filter { $0.path.last == end }.map(\.dotted)
            return .unknownKey(
                dotted(full), candidates: [nearestName(to: dotted(full), among: homes) ?? homes[0]], place)
        }
        // Equal if dots were written where nesting is needed.
        if let near = nearestName(to: dotted(full), among: known), near != dotted(full) {
            return .unknownKey(dotted(full), candidates: [near], place)
        }
        return .unknownKey(dotted(path), candidates: siblings, place)
    }

    /// The keys one level below `group`.
    static func names(in group: ArraySlice<String>) -> [String] {
        var names: [String] = []
        for path in settings.map(\.path) where path.starts(with: group) && path[group.count] != names.last {
            names.append(path[group.count])
        }
        return names
    }

    /// The path to the first value in a tree, at most as deep as the configuration.
    private static func firstPath(in value: Node, depth: Int = 3) -> [String] {
        guard depth > 0, case .mapping(let mapping) = value, let first = mapping.first,
            case .scalar(let name) = first.key
        else { return [] }
        return [abbreviated(name.string)] + firstPath(in: first.value, depth: depth - 1)
    }

    private static func dotted(_ path: some Sequence<String>) -> String { path.joined(separator: ".") }
}
