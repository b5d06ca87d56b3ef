import Reporting

/// Checks of the networks between the hosts; for a single host, of what would prevent more.
struct NetworkChecks {
    let plan: Plan

    private var hosts: [(name: String, facts: Facts)] { plan.hosts.map { ($0.name, $0.ranks[0]) } }
    private var isSpread: Bool { plan.hosts.count > 1 }

    var all: [Finding] { [network, infiniBand, lockable].compactMap { $0 } }

    /// The Open MPI parameters that these networks need.
    var settings: [(name: String, value: String)] {
        var settings: [(name: String, value: String)] = []
        guard plan.family == .openMPI, isSpread || plan.hostCount > 1 else { return settings }
        if usesInfiniBand, excludesUCX { settings.append(("pml", "ucx")) }
        if network.verdict != .ok, let chosen = common.first {
            settings.append(("btl_tcp_if_include", chosen))
            settings.append(("oob_tcp_if_include", chosen))
        }
        return settings
    }

    /// Networks, such as 10.1.0.0/16, that connect every host with every other; the fastest first.
    private var common: [String] {
        let lists = hosts.map { useful($0.facts) }
        return lists[0].filter { mine in
            let all = lists.map { list in list.first { $0.network == mine.network } }
            guard all.allSatisfy({ $0 != nil }) else { return false }
            // The same address on two hosts means that each has a network of its own, such as docker0's.
            return Set(all.map { $0!.address }).count == lists.count
        }.sorted { ($0.megabits ?? 0) > ($1.megabits ?? 0) }.map(\.network).uniqued()
    }

    private func up(_ facts: Facts) -> [Facts.Interface] { facts.interfaces.filter { $0.isUp && $0.kind != .loopback } }

    private func useful(_ facts: Facts) -> [Facts.Interface] { up(facts).filter { $0.kind == .device || $0.kind == .infiniBand } }

    /// The setting that names a network already.
    private var chosen: String? {
        let facts = hosts[0].facts
        switch plan.family {
        case .openMPI: return facts.transport.settings["btl_tcp_if_include"].map { "btl_tcp_if_include \($0)" }
        case .mpich: return facts.environment["UCX_NET_DEVICES"].map { "UCX_NET_DEVICES \($0)" }
        }
    }

    private func naming(_ network: String) -> String {
        plan.family.network(network, interface: useful(hosts[0].facts).first { $0.network == network }?.name ?? "INTERFACE")
    }

    private var network: Finding {
        let check = "network"
        let first = hosts[0].facts
        let found = up(first).map(described).joined(separator: ", ")
        if isSpread {
            guard let best = common.first else {
                return .problem(
                    check, "no network that all \(hosts.count) hosts are in: " + hosts.map { "\($0.name) \(useful($0.facts).map(\.network).joined(separator: " "))" }.joined(separator: "; "),
                    because: "hosts reach each other only through routers, or by an interface that looks like a container's",
                    remedy: "name the interfaces: \(plan.family.network("NETWORK,NETWORK", interface: "INTERFACE"))")
            }
            if let chosen { return .ok(check, "\(best) (\(chosen))") }
            if let odd = hosts.lazy.flatMap({ host in up(host.facts).filter { !common.contains($0.network) }.map { (host.name, $0) } }).first {
                return .warning(
                    check, "\(best) joins the hosts; \(odd.0) also has \(described(odd.1))",
                    because: "\(plan.family.name) may try an address that does not lead to the other host, and hang or be slow",
                    remedy: naming(best))
            }
            let slow = useful(first).first { $0.network == best }?.megabits ?? 1000
            if slow < 1000 {
                return .warning(
                    check, "\(best) at \(slow) Mbit/s", because: "the exchange of a large model's gradient takes longer than computing it",
                    remedy: "lockstep bench shows what to expect; check cable and switch")
            }
            return .ok(check, "\(best) joins \(hosts.count) hosts")
        }
        let confusing = up(first).filter { $0.kind == .bridge || $0.kind == .virtual }
        guard let best = useful(first).max(by: { ($0.megabits ?? 0) < ($1.megabits ?? 0) }) else {
            return .ok(check, found.isEmpty ? "none: this machine alone" : found)
        }
        if !confusing.isEmpty || useful(first).map(\.network).uniqued().count > 1, chosen == nil, plan.hostCount > 1 || !confusing.isEmpty {
            return .warning(
                check, found, because: "with several hosts \(plan.family.name) may try an address that does not lead to the others, and hang",
                remedy: "name the network between the hosts: \(naming(best.network))")
        }
        return .ok(check, found)
    }

    // MARK: InfiniBand

    private var usesInfiniBand: Bool { hosts.allSatisfy { $0.facts.infiniband.contains(where: \.isActive) } }

    /// Debian's packages do.
    private var excludesUCX: Bool {
        let pml = hosts[0].facts.transport.settings["pml"] ?? ""
        return pml.hasPrefix("^") && pml.contains("ucx")
    }

    private var infiniBand: Finding? {
        let ports = hosts[0].facts.infiniband
        guard let port = ports.first(where: \.isActive) ?? ports.first else { return nil }
        let found = "\(port.device) port \(port.port), \(port.isActive ? "active" : "down"), \(port.rate)"
        guard port.isActive else {
            return .warning("InfiniBand", found, because: "the port has no link", remedy: "check the cable and the subnet manager: ibstat")
        }
        guard excludesUCX else { return .ok("InfiniBand", found) }
        return .warning(
            "InfiniBand", "\(found); Open MPI's settings switch UCX off (pml \(hosts[0].facts.transport.settings["pml"]!))",
            because: "between hosts everything goes over TCP instead", remedy: "mpirun --mca pml ucx, or export OMPI_MCA_pml=ucx")
    }

    private var lockable: Finding? {
        guard hosts[0].facts.infiniband.contains(where: \.isActive),
            let tight = hosts.first(where: { ($0.facts.memory.lockable ?? .max) < 1 << 30 })
        else { return nil }
        return .warning(
            "locked memory", "\(Formatting.bytes(tight.facts.memory.lockable!)) may be locked on \(tight.name)",
            because: "InfiniBand needs memory that stays in place; Open MPI fails or falls back to TCP",
            remedy: "as an administrator: '* - memlock unlimited' in /etc/security/limits.conf; Slurm: PropagateResourceLimitsExcept=MEMLOCK")
    }

    private func described(_ interface: Facts.Interface) -> String {
        var text = "\(interface.name) \(interface.network)"
        if let megabits = interface.megabits { text += " (\(megabits >= 1000 ? "\(megabits / 1000) Gbit/s" : "\(megabits) Mbit/s"))" }
        switch interface.kind {
        case .bridge, .virtual: return text + ", for containers or tunnels"
        case .device, .infiniBand, .loopback: return text
        }
    }
}

extension Facts.Interface {
    /// The network of this address: 10.1.0.0/16.
    var network: String {
        let parts = address.split(separator: ".").compactMap { UInt32($0) }
        guard parts.count == 4 else { return address }
        let number = parts.reduce(0) { $0 << 8 | $1 }
        let masked = prefix <= 0 ? 0 : number & (UInt32.max << UInt32(32 - min(32, prefix)))
        return [24, 16, 8, 0].map { "\(masked >> $0 & 255)" }.joined(separator: ".") + "/\(prefix)"
    }
}
