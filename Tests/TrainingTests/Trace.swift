import Kernels
import TestSupport
import Training

/// The results of a run that must not depend on its ranks.
struct Trace: Equatable, Sendable {
    var bytes: [String: [UInt8]]
    var losses: [Double]
    var norms: [Double]
    var validations: [Double]
}

/// Trains with one thread in each rank.
func trace(
    _ run: SmallRun, ranks: Int, perMachine: Int? = nil, stopAfter: Int? = nil, resume: Bool = false,
    lateRoot: Bool = false, recorder: Recorder = Recorder()
) throws -> Trace {
    let results = try withThreadRanks(ranks, ranksPerMachine: perMachine, lateRoot: lateRoot) {
        try Arithmetic.prepare(threads: 1)
        return try run.train(on: $0, stopAfter: stopAfter, resume: resume, reporter: recorder)
    }
    return Trace(
        bytes: try run.bytes(ofStep: results[0].step), losses: recorder.training.map(\.loss),
        norms: recorder.training.map(\.gradientNorm), validations: recorder.validation.map(\.loss))
}
