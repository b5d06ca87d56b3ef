import Foundation
import TestSupport
import Testing

/// The oracle's forward pass, its optimizers and its clipping against PyTorch in double precision; its gradients are
/// compared with finite differences in RecurrentTests.
struct OracleParityTests {
    private let folder = Bundle.module.resourceURL!.appending(path: "Fixtures")

    @Test(arguments: ParityFixture.names)
    func lossesAreThoseOfPyTorch(fixture name: String) throws {
        let fixture = try ParityFixture.load(name, from: folder)
        let cells: [String: OracleCell] = [
            "elman": .elmanTanh, "lstm": .lstm, "gru_reset_after": .gruResetAfter, "window": .window,
            "elman layer": .elmanNormalized, "lstm layer": .lstmNormalized, "gru layer": .gruResetBeforeNormalized,
            "gru_reset_after layer": .gruResetAfterNormalized, "window layer": .windowNormalized,
        ]
        var model = OracleModel(
            cell: try #require(cells[fixture.model.cell + (fixture.model.normalization.map { " \($0)" } ?? "")]), vocabulary: fixture.model.vocabularySize,
            embedding: fixture.model.embedding, hidden: fixture.model.sizes,
            connections: try #require(OracleConnections(rawValue: fixture.model.connections ?? "none")), tied: fixture.model.tied, parameters: fixture.parameters.mapValues(\.values))
        var optimizer = OracleOptimizer(fixture.optimizer == "adam" ? .adam() : .sgd)

        let length = (fixture.tokens.count - 1) / fixture.streams
        var state = model.zeroState(batch: fixture.streams)
        var start = 0
        for step in fixture.lossesFloat64.indices {
            if start == length {
                start = 0
                state = model.zeroState(batch: fixture.streams)
            }
            let steps = min(fixture.unroll, length - start)
            let positions = (start..<start + steps).flatMap { t in (0..<fixture.streams).map { $0 * length + t } }
            let result = model.run(
                OracleChunk(
                    steps: steps, batch: fixture.streams, inputs: positions.map { fixture.tokens[$0] },
                    targets: positions.map { fixture.tokens[$0 + 1] }, initialState: state))
            let count = Double(result.count)
            var gradients = result.gradients.mapValues { $0.map { $0 / count } }
            let norm = OracleOptimizer.clip(&gradients, norm: fixture.clipNorm, epsilon: 1e-6)
            optimizer.step(&model.parameters, gradients: gradients, learningRate: fixture.learningRate)

            #expect(abs(result.loss / count / fixture.lossesFloat64[step] - 1) < 1e-10, "step \(step)")
            #expect(abs(norm / fixture.gradientNormsFloat64[step] - 1) < 1e-10, "step \(step)")
            state = result.finalState
            start += steps
        }
    }

    @Test(arguments: [
        ("sgd", OracleOptimizer(.sgd)),
        ("sgd_decay", OracleOptimizer(.sgd, weightDecay: 0.1)),
        ("momentum", OracleOptimizer(.momentum(0.9), weightDecay: 0.1)),
        ("nesterov", OracleOptimizer(.nesterov(0.9), weightDecay: 0.1)),
        ("adagrad", OracleOptimizer(.adagrad(), weightDecay: 0.1)),
        ("adam", OracleOptimizer(.adam(), weightDecay: 0.1)),
        ("adamw", OracleOptimizer(.adamW(), weightDecay: 0.1)),
        ("asgd", OracleOptimizer(.asgd, weightDecay: 0.1)),
    ])
    func optimizersAreThoseOfPyTorch(name: String, optimizer: OracleOptimizer) throws {
        let fixture = try OptimizerFixture.load(from: folder)
        var optimizer = optimizer
        var parameters = ["weight": fixture.initial]
        for gradient in fixture.gradients {
            optimizer.step(&parameters, gradients: ["weight": gradient], learningRate: fixture.learningRate)
        }
        let expected = try #require(fixture.results[name])
        for (value, truth) in zip(parameters["weight"]!, expected) { #expect(abs(value - truth) < 1e-13) }
        guard name == "asgd" else { return }
        for (value, truth) in zip(optimizer.average["weight"]!, try #require(fixture.results["asgd_average"])) {
            #expect(abs(value - truth) < 1e-13)
        }
    }
}
