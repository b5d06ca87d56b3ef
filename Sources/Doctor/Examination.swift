/// Turns facts into findings. A pure function: the same facts give the same report on any machine.
package enum Examination {
    /// - Parameter facts: the facts of every rank, by rank, or of one process without a launcher. Not empty.
    package static func judge(_ facts: [Facts], _ intent: Intent = Intent()) -> Report {
        let plan = Plan(facts, intent)
        let machines = plan.hosts.map { host in
            MachineChecks(facts: host.ranks[0], plan: plan).all + RankChecks(ranks: host.ranks, plan: plan).all
        }
        let network = NetworkChecks(plan: plan)
        let findings = merged(machines, names: plan.hosts.map(\.name)) + JobChecks(facts: facts, plan: plan).all + network.all
        var settings: [(name: String, value: String)] = []
        if findings.contains(where: { $0.check == MachineChecks.messages && $0.verdict == .problem }) {
            settings.append(("btl_vader_single_copy_mechanism", "none"))
        }
        return Report(findings: findings, command: plan.command(settings: settings + network.settings))
    }

    /// Merges the lists of the hosts: a check that is fine on all hosts appears once; otherwise the findings that are not
    /// fine appear, equal ones once with their hosts.
    private static func merged(_ lists: [[Finding]], names: [String]) -> [Finding] {
        guard lists.count > 1 else { return lists[0] }
        var result: [Finding] = []
        for check in lists.joined().map(\.check).uniqued() {
            let each = zip(names, lists).compactMap { name, list in list.first { $0.check == check }.map { (name, $0) } }
            if each.allSatisfy({ $0.1.verdict == .ok }) {
                let texts = each.map(\.1.found).uniqued()
                result.append(.ok(check, texts.count == 1 ? texts[0] : "\(texts[0]) (\(each[0].0); all \(each.count) are fine)"))
                continue
            }
            for (name, finding) in each where finding.verdict != .ok {
                if let place = result.firstIndex(where: {
                    $0.check == check && $0.verdict == finding.verdict && $0.found == finding.found && $0.remedy == finding.remedy
                }) {
                    result[place].hosts.append(name)
                } else {
                    result.append(finding)
                    result[result.count - 1].hosts = [name]
                }
            }
        }
        return result
    }
}

extension Sequence where Element: Hashable {
    /// Each element once, in order of first occurrence.
    func uniqued() -> [Element] {
        var seen: Set<Element> = []
        return filter { seen.insert($0).inserted }
    }
}
