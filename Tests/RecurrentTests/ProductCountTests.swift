import Kernels
import Recurrent
import Testing

/// Counted by hand.
@Suite struct ProductCountTests {
    @Test func elmanOfOneLayer() {
        // B 2, T 3, V 5, E 7, H 11.
        let model = ModelConfiguration(cell: .elman, vocabulary: 5, embedding: 7, hidden: 11, layers: 1)
        let count = ProductCount(model, batch: 2, steps: 3)
        #expect(count[.projection] == 2 * 6 * 11 * 7)  // [6, 7] x [7, 11]
        #expect(count[.recurrence] == 3 * 2 * 2 * 11 * 11)  // three times [2, 11] x [11, 11]
        #expect(count[.output] == 2 * 6 * 5 * 11)
        #expect(count[.outputBackward] == 2 * 6 * 11 * 5 + 2 * 5 * 11 * 6)
        #expect(count[.recurrenceBackward] == 2 * 2 * 2 * 11 * 11)  // twice: nothing flows out before the start
        #expect(count[.weightGradients] == 2 * 11 * 7 * 6 + 2 * 11 * 11 * 6)
        #expect(count[.projectionBackward] == 2 * 6 * 7 * 11)
        for phase in [PhaseClock.Phase.other, .embedding, .softmax, .update, .wait, .exchange] { #expect(count[phase] == 0) }
        #expect(count.total == 924 + 1452 + 660 + 1320 + 968 + 924 + 1452 + 924)
        #expect(model.productWeightBytes == 4 * (11 * 7 + 11 * 11 + 5 * 11))
    }

    /// The case of the speed table: 2 x 650, V = 10,000, 20 x 35.
    @Test func lstmOfTwoLayers() {
        let model = ModelConfiguration(cell: .lstm, vocabulary: 10_000, embedding: 650, hidden: 650, layers: 2)
        let count = ProductCount(model, batch: 20, steps: 35)
        // Per row 2 x 4 H H = 3.38 million operations for each product of a layer, 13 million for the output's.
        #expect(count[.projection] == 2 * 700 * 3_380_000)
        #expect(count[.recurrence] == 2 * 700 * 3_380_000)
        #expect(count[.recurrenceBackward] == 2 * 680 * 3_380_000)
        #expect(count[.weightGradients] == 4 * 700 * 3_380_000)
        #expect(count[.output] == 700 * 13_000_000)
        #expect(count[.outputBackward] == 2 * 700 * 13_000_000)
        #expect(count.total == 55_692_000_000 - 2 * 20 * 3_380_000)
    }

    /// The GRU with its reset gate before the product needs the candidate's product at the first step, too.
    @Test func gru() {
        let model = ModelConfiguration(cell: .gru, vocabulary: 5, embedding: 7, hidden: 11, layers: 1)
        let count = ProductCount(model, batch: 2, steps: 3)
        #expect(count[.recurrence] == 3 * 2 * 2 * 33 * 11)
        #expect(count[.recurrenceBackward] == 2 * (2 * 2 * 22 * 11) + 3 * (2 * 2 * 11 * 11))
        let after = ModelConfiguration(cell: .gruResetAfter, vocabulary: 5, embedding: 7, hidden: 11, layers: 1)
        #expect(ProductCount(after, batch: 2, steps: 3)[.recurrenceBackward] == 2 * (2 * 2 * 33 * 11))
    }

    /// Three distinct tokens in six rows, in the forward pass or in both.
    @Test func distinctTokens() {
        let model = ModelConfiguration(cell: .elman, vocabulary: 5, embedding: 7, hidden: 11, layers: 2)
        let (whole, count) = (ProductCount(model, batch: 2, steps: 3), ProductCount(model, batch: 2, steps: 3, inputRows: (3, 3)))
        #expect(whole[.projection] - count[.projection] == 2 * 3 * 11 * 7)
        #expect(whole[.weightGradients] - count[.weightGradients] == 2 * 3 * 11 * 7)
        #expect(whole[.projectionBackward] - count[.projectionBackward] == 2 * 3 * 11 * 7)
        #expect(whole.total - count.total == 3 * 2 * 3 * 11 * 7)
        #expect(whole.total - ProductCount(model, batch: 2, steps: 3, inputRows: (3, 6)).total == 2 * 3 * 11 * 7)
    }

    /// A window of 5 inputs is longer than the chunk.
    @Test func window() {
        let model = ModelConfiguration(cell: .window, window: 5, vocabulary: 5, embedding: 7, hidden: 11, layers: 1)
        let count = ProductCount(model, batch: 2, steps: 3)
        #expect(count[.projection] == 2 * 6 * 11 * 35)
        #expect(count[.weightGradients] == 2 * 11 * 35 * 6)
        #expect(count[.projectionBackward] == 2 * (6 + 4 + 2) * 7 * 11)
        #expect(model.productWeightBytes == 4 * (11 * 35 + 5 * 11))
    }
}
