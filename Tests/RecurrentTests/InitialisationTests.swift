import Kernels
import Recurrent
import TestSupport
import Testing

@Suite struct InitialisationTests {
    @Test func weightsFillTheirRangesGainsAreOneAndBiasesZero() {
        let configuration = ModelConfiguration(
            cell: .gru, normalization: .layer, vocabulary: 300, embedding: 40, hidden: 50, layers: 2, initialRange: 0.1, initialEmbeddingRange: 2)
        let layout = ParameterLayout(configuration)
        let (one, same, other) = (Arena(layout), Arena(layout), Arena(layout))
        one.initialise(seed: 1)
        same.initialise(seed: 1)
        other.initialise(seed: 2)
        for entry in layout.entries {
            let values = Array(one.values(entry))
            if entry.name.contains("gain") {
                #expect(values.allSatisfy { $0 == 1 })
                continue
            }
            let range: Float = entry.shape.count == 1 ? 0 : entry.name == "encoder.weight" ? 2 : 0.1
            #expect(values.allSatisfy { abs($0) <= range })
            #expect(abs(values.max()! - range) <= 0.01 * range && abs(values.min()! + range) <= 0.01 * range)
            #expect(values == Array(same.values(entry)))
            #expect(range == 0 || values != Array(other.values(entry)))
        }
    }
}
