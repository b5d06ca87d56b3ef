/// A tag of IOB1, IOB2, IOE or IOBES: `O` outside of spans, else a prefix and, after a hyphen, the type of the span.
///
/// Spans are found as CoNLL's conlleval does (Sang and Buchholz 2000), and seqeval for the prefixes E and S: a span begins with B or S,
/// after E, S or O, or where the type changes; it ends before B, S and O, after E and S, or where the type changes. So every sequence
/// of tags has spans, also one that no annotator would write, such as I after O.
struct SpanTag: Equatable, Sendable {
    enum Prefix: Character, Sendable { case outside = "O", begin = "B", inside = "I", end = "E", single = "S" }

    struct Span: Hashable, Sendable {
        let type: String
        let range: Range<Int>
    }

    let prefix: Prefix
    /// Empty for a tag without.
    let type: String

    static let outside = SpanTag(prefix: .outside, type: "")

    private init(prefix: Prefix, type: String) {
        self.prefix = prefix
        self.type = type
    }

    /// - Returns: nil for a label that is no tag of spans.
    private init?(_ label: String) {
        if label == "O" {
            self = .outside
            return
        }
        let parts = label.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts[0].count == 1, let prefix = Prefix(rawValue: parts[0].first!), prefix != .outside else { return nil }
        // A letter alone may be anything, but for those of one type of spans.
        guard parts.count == 2 || prefix == .begin || prefix == .inside else { return nil }
        self.init(prefix: prefix, type: parts.count == 2 ? String(parts[1]) : "")
    }

    /// The tags of these labels; nil unless all are tags, and some are of spans.
    static func all(_ labels: [String]) -> [SpanTag]? {
        let tags = labels.compactMap { SpanTag($0) }
        return tags.count == labels.count && tags.contains { $0.prefix != .outside } ? tags : nil
    }

    /// The types of spans, in order.
    static func types(_ tags: [SpanTag]) -> [String] { Set(tags.filter { $0.prefix != .outside }.map(\.type)).sorted() }

    /// The spans of a sequence.
    static func spans(_ tags: [SpanTag]) -> [Span] {
        var spans: [Span] = []
        var start: Int?
        var before = SpanTag.outside
        for (index, tag) in (tags + [.outside]).enumerated() {
            if let first = start, ends(before, tag) {
                spans.append(Span(type: before.type, range: first..<index))
                start = nil
            }
            if begins(before, tag) { start = index }
            before = tag
        }
        return spans
    }

    private static func ends(_ before: SpanTag, _ tag: SpanTag) -> Bool {
        switch before.prefix {
        case .outside: false
        case .end, .single: true
        case .begin, .inside: [.begin, .single, .outside].contains(tag.prefix) || before.type != tag.type
        }
    }

    private static func begins(_ before: SpanTag, _ tag: SpanTag) -> Bool {
        switch tag.prefix {
        case .outside: false
        case .begin, .single: true
        case .inside, .end: [.end, .single, .outside].contains(before.prefix) || before.type != tag.type
        }
    }
}
