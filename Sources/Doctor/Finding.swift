import Collectives

/// The result of one check.
package struct Finding: Codable, Sendable, Equatable {
    /// What was checked, in a word or two.
    package var check: String
    package var verdict: Verdict
    package var found: String
    /// The consequence; nil if all is well.
    package var reason: String?
    /// What to type, or to have an administrator do.
    package var remedy: String?
    /// The hosts concerned; empty if the finding concerns the whole job or there is only one host.
    package var hosts: [String] = []

    package enum Verdict: String, Codable, Sendable, CaseIterable, Comparable {
        /// As it should be.
        case ok
        /// Works, but slower or less safely than it could.
        case warning
        /// Training fails, loses work or is extremely slow.
        case problem

        package static func < (a: Verdict, b: Verdict) -> Bool {
            allCases.firstIndex(of: a)! < allCases.firstIndex(of: b)!
        }
    }

    static func ok(_ check: String, _ found: String) -> Finding {
        Finding(check: check, verdict: .ok, found: found)
    }
    static func warning(_ check: String, _ found: String, because reason: String, remedy: String) -> Finding {
        Finding(check: check, verdict: .warning, found: found, reason: reason, remedy: remedy)
    }
    static func problem(_ check: String, _ found: String, because reason: String, remedy: String) -> Finding {
        Finding(check: check, verdict: .problem, found: found, reason: reason, remedy: remedy)
    }
}

/// The result of `lockstep doctor`.
package struct Report: Codable, Sendable, Equatable {
    package var findings: [Finding]
    /// Shell lines that start the training in the way that suits this machine.
    package var command: [String]

    package func count(_ verdict: Finding.Verdict) -> Int { findings.count { $0.verdict == verdict } }
}

/// The run that is planned, as far as it is known.
package struct Intent: Sendable {
    /// The options that `lockstep train` will get.
    package var arguments: [String] = []
    /// The file with launch settings, as a shell would find it; nil if it is not beside the program.
    package var environmentFile: String?
    package var hostfile: Hostfile?
    /// S; nil if no configuration was given.
    package var streams: Int?
    /// K; nil without shards.
    package var shards: Int?
    /// What the ranks of a machine share out, as far as the model allows.
    package var split = RankSplit.streams
    /// The folder that should contain the dataset but does not.
    package var missingData: String?
    /// Nil if model and vocabulary are not known.
    package var need: Need?

    package init() {}

    /// Bytes; see `ModelMemory`. On one machine, parameters, slots and packed weights exist once, in shared memory, and each rank has a
    /// gradient.
    package struct Need: Sendable {
        package var parameters: Int
        package var slots: Int
        /// Packed weights.
        package var packed: Int
        /// Bytes of the state and activations of one stream.
        package var activations: Int

        package init(parameters: Int, slots: Int, packed: Int, activations: Int) {
            self.parameters = parameters
            self.slots = slots
            self.packed = packed
            self.activations = activations
        }

        /// Bytes that `ranks` ranks on one machine share.
        func shared(ranks: Int) -> Int { parameters * (1 + ranks) + slots + packed }
        /// Bytes of a checkpoint: weights and slots.
        var checkpoint: Int { parameters + slots }
    }
}

/// Hosts and slots, as launchers read them from a file: Open MPI's `node1 slots=16`, Hydra's `node1:16`.
package struct Hostfile: Sendable, Equatable {
    package var path: String
    package var hosts: [(name: String, slots: Int?)]

    package init(path: String, text: String) {
        self.path = path
        hosts = text.split(whereSeparator: \.isNewline).compactMap { line in
            let words = line.prefix { $0 != "#" }.replacing("=", with: " = ").split(whereSeparator: \.isWhitespace)
            guard let first = words.first else { return nil }
            let parts = first.split(separator: ":", maxSplits: 1)
            if parts.count == 2, let slots = Int(parts[1]) { return (String(parts[0]), slots) }
            let name = first
            let slots = words.indices.first { words[$0] == "slots" && $0 + 2 < words.count && words[$0 + 1] == "=" }
                .flatMap { Int(words[$0 + 2]) }
            return (String(name), slots)
        }
    }

    package static func == (a: Hostfile, b: Hostfile) -> Bool {
        a.path == b.path && a.hosts.elementsEqual(b.hosts) { $0 == $1 }
    }

    /// The entry of this host, by its full name or the part before the first dot.
    func slots(of host: String) -> Int?? {
        let short = { (name: String) in String(name.prefix { $0 != "." }) }
        let names = [host, short(host), "localhost"]
        return hosts.first { names.contains($0.name) || short($0.name) == short(host) }.map(\.slots)
    }
}
