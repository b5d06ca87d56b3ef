import Benchmark
import Testing

@Suite struct AllReduceModelTests {
    private let piece = 8 << 20

    /// By hand: 8 ranks, 7 messages one after the other out and 7 back; 7/8 of the bytes twice.
    @Test func timeIsLatencyAndTransfer() {
        let model = AllReduceModel(latency: 1e-5, bytesPerSecond: 1e9)
        #expect(abs(model.seconds(bytes: 4_000_000, ranks: 8, pieceBytes: piece) - (14e-5 + 7e-3)) < 1e-12)
        // A fifth of 100 MiB is three pieces.
        #expect(abs(model.seconds(bytes: 100 << 20, ranks: 5, pieceBytes: piece) - (24e-5 + 1.6 * 104.8576e-3)) < 1e-9)
        #expect(model.seconds(bytes: 4_000_000, ranks: 1, pieceBytes: piece) == 0)
    }

    @Test(arguments: [(2, 3e-6, 2.5e9), (7, 5e-5, 1.25e8), (256, 0, 1e10)])
    func fitFindsWhatMadeTheTimes(ranks: Int, latency: Double, bandwidth: Double) {
        let truth = AllReduceModel(latency: latency, bytesPerSecond: bandwidth)
        let measured = stride(from: 10, through: 26, by: 2).map { power in
            AllReduceModel.Measurement(
                bytes: 1 << power, seconds: truth.seconds(bytes: 1 << power, ranks: ranks, pieceBytes: piece))
        }
        let fitted = AllReduceModel(fitting: measured, ranks: ranks, pieceBytes: piece)
        #expect(abs(fitted.latency - latency) <= 1e-6 * latency + 1e-12)
        #expect(abs(fitted.bytesPerSecond / bandwidth - 1) < 1e-6)
    }

    /// Even times that no model explains give a usable one.
    @Test func fitIsNeverNegative() {
        for times in [[1e-3, 1e-3, 1e-3], [3e-3, 2e-3, 1e-3], [1e-7, 1e-3, 1]] {
            let measured = zip([1 << 10, 1 << 16, 1 << 22], times).map { AllReduceModel.Measurement(bytes: $0, seconds: $1) }
            let fitted = AllReduceModel(fitting: measured, ranks: 4, pieceBytes: piece)
            #expect(fitted.latency >= 0 && fitted.latency.isFinite)
            #expect(fitted.bytesPerSecond > 0 && fitted.bytesPerSecond.isFinite)
        }
    }
}
