import TestSupport
import Testing

/// The launcher of the MPI family that the programs are not built for; nil where there is none.
private let otherLauncher: [String]? = (Launch.isMPICH ? [["mpirun.openmpi", "--oversubscribe"]] : [["mpiexec.hydra"]])
    .first { (try? Launch.run($0[0], ["--version"]).status) == 0 }

/// The transport under a real mpirun.
@Suite(.serialized) struct MPITransportTests {
    private func run(ranks: Int, _ arguments: String...) throws -> Launch.Outcome {
        try Launch.mpirun(ranks: ranks, Launch.product("mpi-conformance"), arguments)
    }

    @Test(arguments: [1, 2, 3, 4, 7])
    func conforms(ranks: Int) throws {
        let outcome = try run(ranks: ranks, "check")
        #expect(outcome.output == "\(ranks) ranks conform\n", "\(outcome.errors)")
        #expect(outcome.status == 0)
    }

    /// Messages of 64 bytes: every exchange takes many pieces.
    @Test(arguments: [1, 3, 4])
    func conformsInPieces(ranks: Int) throws {
        let outcome = try run(ranks: ranks, "check", "64")
        #expect(outcome.output == "\(ranks) ranks conform\n", "\(outcome.errors)")
        #expect(outcome.status == 0)
    }

    @Test func failureOnOneRankStopsAllWithItsCode() throws {
        let outcome = try run(ranks: 3, "fail", "1")
        #expect(outcome.output == "opening: rank 1: d/x: no such file\n", "\(outcome.errors)")
        #expect(outcome.status == 65)
    }

    /// Hydra's code may be that of the ranks that it kills, 9.
    @Test func abortEndsTheJob() throws {
        let outcome = try run(ranks: 3, "abort", "1")
        #expect(!outcome.timedOut)
        #expect(outcome.status == 70 || Launch.isMPICH && outcome.status == 9, "\(outcome.errors)")
    }

    @Test func leavingWithoutFinalizingFailsTheJob() throws {
        let outcome = try run(ranks: 3, "exit", "1")
        #expect(!outcome.timedOut)
        #expect(outcome.status != 0, "\(outcome.errors)")
    }

    /// Another MPI's launcher: each process would take itself for the only one, and all would write the same files.
    @Test(arguments: ["SLURM_STEP_NUM_TASKS=4", Launch.isMPICH ? "OMPI_COMM_WORLD_SIZE=4" : "PMI_SIZE=4"])
    func foreignLauncherIsRefused(variable: String) throws {
        let outcome = try Launch.run("env", [variable, Launch.product("mpi-conformance"), "check"], timeout: 60)
        #expect(outcome.output.contains("expected 4 ranks, as launched, found 1"), "\(outcome.errors)")
        #expect(outcome.output.contains(Launch.isMPICH ? "mpiexec of the MPICH" : "mpirun of the Open MPI"))
        #expect(outcome.status == 64)
    }

    /// The other family's launcher itself, where it is installed.
    @Test(.enabled(if: otherLauncher != nil, "no launcher of the other MPI family here"))
    func launcherOfTheOtherFamilyIsRefused() throws {
        let launcher = try #require(otherLauncher)
        let outcome = try Launch.run(
            launcher[0], launcher.dropFirst() + ["-n", "2", Launch.product("mpi-conformance"), "check"],
            environment: Launch.mpiEnvironment, timeout: 60)
        #expect(outcome.output.contains("expected 2 ranks, as launched, found 1"), "\(outcome.errors)")
        #expect(outcome.status == 64)
    }
}
