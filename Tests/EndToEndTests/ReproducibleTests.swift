import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// `training.reproducible_shards` under a real mpirun.
    struct ReproducibleTests {
        private static let settings = [
            "model={layers: 2, dropout: 0.3}", "training={random_unroll: true, reproducible_shards: 12}",
            "training.schedule={name: plateau, factor: 0.5}", "validation={every_steps: 20, streams: 11}",
        ]

        @Test func everyNumberOfRanksEndsInTheSameBytes() throws {
            let sandbox = try Sandbox()
            try sandbox.train("alone", Self.settings)
            let alone = try sandbox.tensors("alone", step: 50)
            for ranks in [1, 2, 3, 4, 6] {
                try sandbox.train("\(ranks)", Self.settings, ranks: ranks)
                #expect(try sandbox.tensors("\(ranks)", step: 50) == alone, "\(ranks) ranks")
                #expect(try sandbox.losses("\(ranks)") == sandbox.losses("alone"))
                #expect(try sandbox.metrics("\(ranks)").map(\.loss) == sandbox.metrics("alone").map(\.loss))
            }
            // The validation's number is the certificate's.
            let validation = try #require(try sandbox.metrics("alone").last)
            #expect(validation.kind == "validation")
            let evaluation = try sandbox.evaluate(sandbox.checkpoint("alone", step: 50), ["--streams", "11"])
            #expect(evaluation.nats_per_token == validation.loss)
        }

        /// AVX2, AVX-512 and portable code, of which each processor has some: weights, slots and states to the byte, with
        /// shards and without.
        @Test(arguments: ["elman", "lstm", "gru", "gru_reset_after"], [true, false])
        func everyInstructionSetEndsInTheSameBytes(cell: String, sharded: Bool) throws {
            let sandbox = try Sandbox()
            let settings =
                ["model={cell: \(cell), layers: 2, dropout: 0.3}", "training={random_unroll: true, steps: 20}"]
                + (sharded ? ["training.reproducible_shards=12"] : [])
            func run(_ vectors: String, ranks: Int) throws -> [Data]? {
                let outcome = try Launch.mpirun(
                    ranks: ranks, Launch.product("lockstep"),
                    ["train", "--run", vectors] + Sandbox.small + settings.flatMap { ["--set", $0] },
                    environment: ["LOCKSTEP_VECTORS": vectors], folder: sandbox.folder, timeout: 120)
                if outcome.status == 64, outcome.errors.contains("this processor does not have these instructions") { return nil }
                #expect(outcome.status == 0, "\(outcome.errors)")
                return try sandbox.tensors(vectors, step: 20)
            }
            let portable = try #require(try run("portable", ranks: 2))
            for vectors in ["avx2", "avx512"] {
                // With shards another number of ranks at the same time.
                guard let bytes = try run(vectors, ranks: sharded ? 3 : 2) else { continue }
                #expect(bytes == portable, "\(vectors)")
            }
        }

        /// Two machines of two ranks, four of one, and of three and one.
        @Test(arguments: [2, 1, 3]) func machinesChangeNothing(ranksPerMachine: Int) throws {
            let sandbox = try Sandbox()
            try sandbox.train("one", Self.settings)
            let outcome = try Launch.mpirun(
                ranks: 4, Launch.product("lockstep"),
                ["train", "--run", "many"] + Sandbox.small + Self.settings.flatMap { ["--set", $0] },
                environment: ["LOCKSTEP_RANKS_PER_MACHINE": "\(ranksPerMachine)"], folder: sandbox.folder)
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(try sandbox.tensors("many", step: 50) == sandbox.tensors("one", step: 50))
        }

        /// Nor does the number of threads matter.
        @Test func anyNumberOfRanksCanResume() throws {
            let sandbox = try Sandbox()
            try sandbox.train("whole", Self.settings + ["training.steps=60"], ranks: 2)
            try sandbox.train("parts", Self.settings + ["training.steps=20"], ranks: 3)
            let threads = try Launch.run(
                "env",
                ["OMP_NUM_THREADS=2", Launch.product("lockstep"), "train", "--run", "parts", "--resume", "auto"] + Sandbox.small
                    + (Self.settings + ["training.steps=40"]).flatMap { ["--set", $0] }, folder: sandbox.folder)
            #expect(threads.status == 0 && threads.errors.contains(" 2 threads each"), "\(threads.errors)")
            try sandbox.train("parts", Self.settings + ["training.steps=60"], ["--resume", "auto"], ranks: 4)
            #expect(try sandbox.tensors("parts", step: 60) == sandbox.tensors("whole", step: 60))
            #expect(try sandbox.losses("parts") == sandbox.losses("whole"))
        }

        @Test func ranksThatDoNotDivideAreRefused() throws {
            let sandbox = try Sandbox()
            let outcome = try sandbox.lockstep(
                ["train", "--run", "run"] + Sandbox.small + ["--set", "training.reproducible_shards=6"], ranks: 4)
            #expect(outcome.status == 64)
            #expect(
                complaints(outcome.errors) == [
                    "lockstep: training.reproducible_shards: the ranks cannot have equal numbers of shards; expected 1, 2, 3 or 6 ranks for 6 shards, found 4; start one of these numbers of ranks, or start a new run with a multiple of 4 shards"
                ])
        }
    }
}
