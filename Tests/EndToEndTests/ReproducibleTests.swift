import Files
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

        /// The SHA-256 of weights and state after the runs of `everyInstructionSetEndsInTheSameBytes`, found on an AMD EPYC (Zen 4). Every
        /// x86-64 processor must end in them. Only a change of the order of sums changes them, and docs/exactness.md then says so.
        private static let digests = [
            "elman": (
                plain: "4e73415fae92bd145ba1035e1c5855f93723d51d2ec84f3fd3de602272f12022",
                sharded: "4837816ef8bc310d8f3add543a556b4f097763d4a3cc33c14dd5656424facd58"
            ),
            "lstm": (
                plain: "4e57f425ef0199b490eb52fed6ebda86ea07a1e87bb0c741f38d900001118435",
                sharded: "9f6341de894306fb8c96aadad76ba89cc35557beb121c7c518a28e445370896f"
            ),
            "gru": (
                plain: "a916013df5418092cda7b4091d0c137dec3c2847732ab0db528aabfde4a28723",
                sharded: "2b6d7b3cb3cc1329d5684eb3ea6fc1cd59435a0da2b2715ba2995915d8c8bc4a"
            ),
            "gru_reset_after": (
                plain: "b8e1e0790dae7c4a77532490152bed11eb7962c39f5a76b49d678baa64a34dfe",
                sharded: "68211c2ef21ba44d7ea230dc3fded0c65a27d7613e64a4cf8c2693a3e4269e1b"
            ),
        ]

        /// AVX2, AVX-512 and portable code, of which each processor has some: weights, slots and states to the byte, with
        /// shards and without; and those that other processors ended in.
        @Test(arguments: ["elman", "lstm", "gru", "gru_reset_after"], [true, false])
        func everyInstructionSetEndsInTheSameBytes(cell: String, sharded: Bool) throws {
            let sandbox = try Sandbox()
            let settings =
                ["model={cell: \(cell), layers: 2, dropout: 0.3}", "training={random_unroll: true, steps: 200}"]
                + (sharded ? ["training.reproducible_shards=12"] : [])
            func run(_ vectors: String, ranks: Int) throws -> [Data]? {
                let outcome = try Launch.mpirun(
                    ranks: ranks, Launch.product("lockstep"),
                    ["train", "--run", vectors] + Sandbox.small + settings.flatMap { ["--set", $0] },
                    environment: ["LOCKSTEP_VECTORS": vectors], folder: sandbox.folder, timeout: 120)
                if outcome.status == 64, outcome.errors.contains("this processor does not have these instructions") { return nil }
                #expect(outcome.status == 0, "\(outcome.errors)")
                return try sandbox.tensors(vectors, step: 200)
            }
            let portable = try #require(try run("portable", ranks: 2))
            #if arch(x86_64)
                let known = try #require(Self.digests[cell])
                let digest = portable.reduce(into: Data(), +=).withUnsafeBytes { Digest.sha256($0) }
                #expect(digest == (sharded ? known.sharded : known.plain))
            #endif
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
