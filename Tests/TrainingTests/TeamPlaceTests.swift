import Collectives
import Platform
import Recurrent
import Testing
import TestSupport
import Training

/// Which ranks are a team: `exchange.team`, and the rule of `exchange.split: auto`.
@Suite struct TeamPlaceTests {
    /// Four cores with two last-level caches. Their kernel says which processors a rank is bound to.
    private func madeUp(boundTo processors: String, caches: Bool = true) throws -> (MadeUpFiles, Machine) {
        let tree = MadeUpFiles()
        let folder = "/sys/devices/system/cpu"
        var files = ["\(folder)/online": "0-3", "/proc/self/status": "Cpus_allowed_list:\t\(processors)"]
        for core in 0..<4 {
            files["\(folder)/cpu\(core)/topology/thread_siblings_list"] = "\(core)"
            if !caches { continue }
            for (index, (level, sharing)) in [(1, "\(core)"), (2, "\(core)"), (3, core < 2 ? "0-1" : "2-3")].enumerated() {
                files["\(folder)/cpu\(core)/cache/index\(index)/level"] = "\(level)"
                files["\(folder)/cpu\(core)/cache/index\(index)/shared_cpu_list"] = sharing
            }
        }
        try tree.write(files)
        return (tree, Machine(root: tree.root))
    }

    private struct Outcome: Equatable, Sendable {
        var place: TeamPlace?
        var note: String?
        var streams: Range<Int>
    }

    private func decide(
        _ options: TrainingOptions, _ bindings: [String], caches: Bool = true, perMachine: Int? = nil
    ) throws -> [Outcome] {
        try withThreadRanks(bindings.count, ranksPerMachine: perMachine) { communicator in
            let (tree, machine) = try madeUp(boundTo: bindings[communicator.rank], caches: caches)
            return try withExtendedLifetime(tree) {
                var options = options
                try options.decideSplit(communicator, machine: machine)
                return Outcome(place: options.team, note: options.teamNote, streams: try options.streams(of: communicator))
            }
        }
    }

    private func plan(_ team: TeamExtent, streams: Int = 8) -> TrainingOptions {
        var options = teamRun("", streams: streams).options
        options.exchange.team = team
        return options
    }

    /// Also where neighbouring ranks are bound to different caches. Teams are in the order of their first ranks.
    @Test func ranksOfACacheAreATeam() throws {
        for (bindings, teams) in [(["0", "1", "2", "3"], [0, 0, 1, 1]), (["2", "0", "3", "1"], [0, 1, 0, 1])] {
            let outcomes = try decide(plan(.cache), bindings)
            #expect(outcomes.map(\.note) == [nil, nil, nil, nil])
            #expect(outcomes.map(\.place!.number) == teams && outcomes.allSatisfy { $0.place!.count == 2 && $0.place!.size == 2 })
            #expect(outcomes.map(\.place!.rank) == (teams[1] == 0 ? [0, 1, 0, 1] : [0, 0, 1, 1]))
            #expect(outcomes.map(\.streams) == teams.map { $0 == 0 ? 0..<4 : 4..<8 })
        }
        // On each of two machines.
        let both = try decide(plan(.cache), ["0", "1", "2", "3", "0", "2", "1", "3"], perMachine: 4)
        #expect(both.map(\.place!.number) == [0, 0, 1, 1, 2, 3, 2, 3])
        // One cache for all, whether bound or not.
        #expect(try decide(plan(.cache), ["0-1", "0-1"]).map(\.place!.size) == [2, 2])
    }

    @Test func whereCachesAreNotKnownTheMachineIsATeamAndTheReasonIsSaid() throws {
        func note(_ bindings: [String], caches: Bool = true) throws -> String {
            let outcomes = try decide(plan(.cache), bindings, caches: caches)
            #expect(outcomes.allSatisfy { $0.place!.size == bindings.count && $0.place!.count == 1 && $0.streams == 0..<8 })
            #expect(Set(outcomes.map(\.note)).count == 1)
            return outcomes[0].note ?? ""
        }
        #expect(try note(["0", "1", "0-3", "0-3"]).hasPrefix("rank 2 may run on the processors of 2 last-level caches of "))
        #expect(try note(["0", "1"], caches: false).hasPrefix("rank 0 cannot tell which processors of "))
        #expect(try note(["0", "1", "2"]) == "some last-level caches have 1 rank, others 2")
    }

    @Test func anyNumberThatDividesTheRanksOfAMachineIsATeam() throws {
        let bindings = Array(repeating: "0-3", count: 6)
        #expect(try decide(plan(.ranks(2)), bindings).map(\.place!.number) == [0, 0, 1, 1, 2, 2])
        #expect(try decide(plan(.ranks(3)), bindings).map(\.streams.count) == [4, 4, 4, 4, 4, 4])
        #expect(try decide(plan(.ranks(1)), bindings).map(\.place!.size) == [1, 1, 1, 1, 1, 1])
        #expect(try decide(plan(.ranks(9)), bindings).map(\.place!.size) == [6, 6, 6, 6, 6, 6])  // all there are
        let error = #expect(throws: TeamsError.self) { try decide(plan(.ranks(4)), bindings) }
        #expect(
            "\(error!)"
                == "exchange.team: the ranks of a machine cannot form equal teams; expected a divisor of the 6 ranks per machine: 1, 2, 3 or 6, found 4; choose one of these, or start equal numbers of ranks, multiples of 4, on all machines")
        #expect(throws: TeamsError.self) { try decide(plan(.ranks(2), streams: 2), bindings) }
    }

    /// The teams of a machine are to one another what ranks with streams of their own are.
    @Test(arguments: [nil, 2]) func teamsTrainAsRanksWithTheirStreams(perMachine: Int?) throws {
        try withTemporaryFolder { folder in
            @Sendable func run(_ name: String, _ split: RankSplit) -> SmallRun {
                var run = teamRun("\(folder)/\(name)", split: split, steps: 10)
                run.options.exchange.team = .ranks(2)
                run.options.clip = .none  // the norm has other last digits
                return run
            }
            let ranks = try trace(run("ranks", .streams), ranks: 2, perMachine: perMachine.map { $0 / 2 })
            let teams = try trace(run("teams", .units), ranks: 4, perMachine: perMachine)
            #expect(teams.losses == ranks.losses && teams.validations == ranks.validations)
            #expect(teams.bytes == ranks.bytes)
        }
    }

    /// Rows of the table in docs/scaling.md, then shapes that no other rule decides.
    @Test func autoDecidesByShapesAndCores() throws {
        func shares(_ hidden: Int, streams: Int, cell: Cell = .lstm, layers: Int = 2, ranks: [String] = ["0", "1"]) throws -> Bool {
            var options = plan(.machine, streams: streams)
            options.exchange.split = .auto
            options.model = ModelConfiguration(cell: cell, vocabulary: 100, embedding: hidden, hidden: hidden, layers: layers)
            return try decide(options, ranks).allSatisfy { $0.place?.size == ranks.count }
        }
        #expect(try shares(1500, streams: 20))
        #expect(try shares(1300, streams: 8))
        #expect(try shares(650, streams: 20))
        #expect(try shares(650, streams: 20, cell: .gru))
        #expect(try shares(512, streams: 20, layers: 1))
        for (hidden, streams) in [(650, 40), (650, 128), (512, 64), (256, 32), (200, 20), (128, 32)] {
            #expect(try !shares(hidden, streams: streams), "\(hidden), \(streams)")
        }
        #expect(try !shares(256, streams: 20, cell: .elman))
        // Ranks that share a core wait for one another; with fewer streams than ranks nothing else is possible.
        #expect(try !shares(1500, streams: 20, ranks: ["0", "0"]))
        #expect(try shares(200, streams: 1, ranks: ["0", "0"]))
    }
}
