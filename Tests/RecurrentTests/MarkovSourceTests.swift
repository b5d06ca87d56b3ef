import TestSupport
import Testing

struct MarkovSourceTests {
    /// Two states leaving with probability 1/4 and 1/8: stationary (1/3, 2/3), H = (h(1/4) + 2 h(1/8)) / 3.
    @Test func entropyRateOfTwoStatesIsKnown() {
        let source = MarkovSource(transitions: [[0.75, 0.25], [0.125, 0.875]])
        #expect(abs(source.stationary[0] - 1.0 / 3) < 1e-12)
        #expect(abs(source.entropyRate - 0.43862515571056065) < 1e-12)
    }

    /// Every second token is 1: plain power iteration would oscillate forever.
    @Test func periodicChainHasAStationaryDistribution() {
        let source = MarkovSource(transitions: [[0, 1, 0], [0.5, 0, 0.5], [0, 1, 0]])
        #expect(zip(source.stationary, [0.25, 0.5, 0.25]).allSatisfy { abs($0 - $1) < 1e-12 })
        #expect(abs(source.entropyRate - 0.34657359027997264) < 1e-12)  // ln(2) / 2
    }

    @Test func sampleFollowsTheChain() {
        let source = MarkovSource(tokens: 12, seed: 1)
        let tokens = source.sample(50_000, seed: 2)
        // Standard error of the mean is about 1 / sqrt(50000) = 0.0045 nats.
        #expect(abs(source.crossEntropy(of: tokens) - source.entropyRate) < 0.02)
        for token in 0..<12 {
            let frequency = Double(tokens.count { $0 == Int32(token) }) / 50_000
            #expect(abs(frequency - source.stationary[token]) < 0.01)
        }
        #expect(source.entropyRate < 2.0)  // well below ln 12 = 2.48: there is something to learn
        #expect(tokens == source.sample(50_000, seed: 2))
        #expect(tokens != source.sample(50_000, seed: 3))
    }
}
