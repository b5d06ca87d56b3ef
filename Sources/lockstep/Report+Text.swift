import Doctor

extension Report {
    /// The report as text: a table, the problems with cause and remedy, and what to type.
    var text: String {
        var parts = [table([["", "check", "found"]] + findings.map(row), textColumns: [0, 1, 2])]
        for finding in findings.sorted(by: { $0.verdict > $1.verdict }) where finding.verdict != .ok {
            parts.append(
                """
                \(finding.verdict.rawValue): \(finding.check)\(place(finding))
                  why   \(finding.reason ?? "")
                  do    \(finding.remedy ?? "")
                """)
        }
        let (problems, warnings) = (count(.problem), count(.warning))
        let verdict = problems + warnings == 0 ? "nothing is wrong here" : "\(number(problems, "problem")), \(number(warnings, "warning"))"
        parts.append("\(verdict); start it like this:\n" + command.map { "  \($0)" }.joined(separator: "\n"))
        return parts.joined(separator: "\n\n")
    }

    private func row(_ finding: Finding) -> [String] {
        [finding.verdict.rawValue, finding.check, (finding.hosts.isEmpty ? "" : "\(hosts(finding)): ") + finding.found]
    }

    private func place(_ finding: Finding) -> String { finding.hosts.isEmpty ? "" : " on \(hosts(finding))" }

    private func hosts(_ finding: Finding) -> String {
        finding.hosts.count <= 4
            ? finding.hosts.joined(separator: ", ")
            : "\(finding.hosts[0]), \(finding.hosts[1]) and \(finding.hosts.count - 2) more hosts"
    }

    private func number(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
}
