import Foundation
import Reporting
import Testing

/// Slope, half-life and spread of the gradient's norms by lag.
@Suite struct GradientFlowTests {
    private static func flow(_ norms: [[Double]]) -> GradientFlow {
        let positions = norms.map(\.count)
        return GradientFlow(
            positions: positions, loss: 1, states: [.init(layer: 1, name: "h", norms: norms)],
            recurrentWeights: [.init(layer: 1, gate: "", spectralRadius: 0.5, norm: 0.75)])
    }

    /// From lag 1 on: what the output layer gives at lag 0 is no step.
    @Test func slopeAndHalfLifeOfAnExponential() throws {
        let state = Self.flow([[100]] + (0..<20).map { [8 * pow(0.5, Double($0) / 4)] }).states[0]
        let (slope, life) = (try #require(state.slope), try #require(state.halfLife))
        #expect(abs(slope + log(2) / 4) < 1e-12 && abs(life - 4) < 1e-9)
        let growing = try #require(Self.flow((0..<5).map { [pow(2, Double($0))] }).states[0].halfLife)
        #expect(abs(growing + 1) < 1e-12)
    }

    @Test func medianAndQuartiles() {
        let state = Self.flow([[4, 1, 3, 2, 5], [1, 2]]).states[0]
        #expect(state.median == [3, 1.5] && state.lowerQuartile == [2, 1.25] && state.upperQuartile == [4, 1.75])
        #expect(Self.flow([[1], [1], [0], [0.25]]).states[0].slope == -log(2), "a median of zero has no logarithm")
        #expect(Self.flow([[1], [1], [0]]).states[0].slope == nil)
    }

    private static func powers(_ base: Double, _ count: Int = 21) -> [Double] { (0..<count).map { pow(base, Double($0)) } }

    private static let meanings: [([Double], String)] = [
        (powers(0.5), "The gradient vanishes: it halves every 1 tokens, so that what lies more than 6.6 tokens back"),
        (powers(0.95), "The gradient holds: 38 % of it is left 20 tokens back, it halves every 14 tokens."),
        (powers(2.0.squareRoot()), "The gradient explodes: it doubles every 2 tokens, and 20 tokens back it is 724 times"),
        ([1, 2, 3, .infinity], "The gradient explodes: within 3 tokens it exceeds single precision."),
        ([1, 0, 0, 0], "No gradient passes from a step to the one before"),
    ]

    @Test(arguments: meanings)
    func oneSentenceSaysWhatItMeans(norms: [Double], meaning: String) {
        #expect(Self.flow(norms.map { [$0] }).meaning.hasPrefix(meaning), "\(Self.flow(norms.map { [$0] }).meaning)")
    }

    @Test func aRecordIsReadAsItWasWritten() throws {
        let folder = try TemporaryFolder()
        let record = GradientFlowRecord(step: 20, epoch: 2, flow: Self.flow([[1, 2], [.infinity, .infinity], [0.5, 0.25]]))
        let log = try MetricsLog(path: folder.metrics)
        try log.append(.gradientFlow(record))
        let history = try MetricsHistory(path: folder.metrics)
        #expect(history.gradientFlow == [record] && record.flow.states[0].median == [1.5, nil, 0.375])
        let (before, again) = (GradientFlowRecord(step: 7, epoch: 1, flow: record.flow), GradientFlowRecord(step: 20, epoch: 2, flow: Self.flow([[1]])))
        #expect(history.with(before).gradientFlow == [before, record])
        #expect(history.with(again).gradientFlow == [again])
    }
}
