import TestSupport
import Testing

extension CommandTests {
    /// The trajectory does not depend on how many ranks walk it.
    struct RankEqualityTests {
        @Test(arguments: ["elman", "lstm", "gru", "gru_reset_after"])
        func sameLossesOnAnyNumberOfRanks(cell: String) throws {
            try compare(["model.cell=\(cell)"])
        }

        /// Masks are drawn by global stream; with 13 streams some ranks have more than others.
        @Test func sameWithDropoutAndUnevenStreams() throws {
            try compare(["model.layers=2", "model.dropout=0.4", "training.streams=13"])
        }

        /// Chunk lengths come from the seed, and the learning rate follows them.
        @Test func sameWithRandomUnroll() throws {
            try compare([
                "training.random_unroll=true", "training.loss=per_stream",
                "training.optimizer={name: sgd, learning_rate: 0.05}",
            ])
        }

        /// Ranks of one machine that take themselves for 2 machines of 2 ranks, for 4 of one, and for machines of 3 and 1.
        @Test(arguments: [2, 1, 3]) func sameOnSeveralMachines(ranksPerMachine: Int) throws {
            let sandbox = try Sandbox()
            try sandbox.train("one")
            let outcome = try Launch.mpirun(
                ranks: 4, Launch.product("lockstep"), ["train", "--run", "many"] + Sandbox.small,
                environment: ["LOCKSTEP_RANKS_PER_MACHINE": "\(ranksPerMachine)"], folder: sandbox.folder)
            #expect(outcome.status == 0, "\(outcome.errors)")
            for (a, b) in zip(try sandbox.losses("one"), try sandbox.losses("many")) { #expect(abs(a - b) < 1e-4 * a) }
            #expect(try sandbox.losses("many").count == 50)
        }

        /// Three machines of one rank: rounded gradients change the losses a little, and the copies of the parameters, which
        /// every step compares, not at all.
        @Test func bfloat16StaysCloseAndTheSameEverywhere() throws {
            let sandbox = try Sandbox()
            try sandbox.train("one")
            let outcome = try Launch.mpirun(
                ranks: 3, Launch.product("lockstep"),
                ["train", "--run", "rounded"] + Sandbox.small
                    + ["--set", "exchange.wire=bfloat16", "--set", "training.verify_every_steps=1"],
                environment: ["LOCKSTEP_RANKS_PER_MACHINE": "1"], folder: sandbox.folder)
            #expect(outcome.status == 0, "\(outcome.errors)")
            let (exact, rounded) = (try sandbox.losses("one"), try sandbox.losses("rounded"))
            let worst = zip(exact, rounded).map { abs($0 - $1) / $0 }.max() ?? 0
            #expect(rounded.count == 50 && worst > 1e-6 && worst < 0.02, "\(worst)")
        }

        /// An mpirun of one rank is no different from none.
        @Test func oneRankIsTheSameToTheByte() throws {
            let sandbox = try Sandbox()
            try sandbox.train("alone")
            try sandbox.train("one", ranks: 1)
            #expect(try sandbox.tensors("alone", step: 50) == sandbox.tensors("one", step: 50))
        }

        private func compare(_ settings: [String]) throws {
            let sandbox = try Sandbox()
            try sandbox.train("1", settings)
            let expected = try sandbox.losses("1")
            #expect(expected.count == 50)
            #expect(expected[49] < expected[0] - 0.1, "nothing was learned")
            for ranks in 2...4 {
                try sandbox.train("\(ranks)", settings, ranks: ranks)
                let losses = try sandbox.losses("\(ranks)")
                let worst = zip(losses, expected).map { abs($0 - $1) / $1 }.max() ?? 0
                #expect(losses.count == 50)
                #expect(worst < 1e-4, "\(ranks) ranks")
                let validations = try ["1", "\(ranks)"].map { try sandbox.metrics($0).last! }
                #expect(validations.allSatisfy { $0.kind == "validation" })
                #expect(abs(validations[1].loss - validations[0].loss) < 1e-4 * validations[0].loss)
            }
        }
    }
}
