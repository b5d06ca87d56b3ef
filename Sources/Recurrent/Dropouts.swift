import Kernels

/// The probability that training zeroes a value, by site. No state is dropped from step to step (Zaremba et al. 2014).
package struct DropoutRates: Sendable, Equatable {
    /// Of a word, everywhere in a step: its whole vector (Gal and Ghahramani 2016).
    package var embedding: Float = 0
    /// Of the values that the lowest layer reads.
    package var input: Float
    /// Of those that a layer passes to the next.
    package var hidden: Float
    /// Of those that the head reads.
    package var output: Float
    /// Of a recurrent weight, everywhere in a step (Merity et al. 2018).
    package var weights: Float = 0
    /// Whether a value is dropped at all times of a step or at none (Gal and Ghahramani 2016; locked in Merity et al. 2018).
    package var isLocked = false

    /// The short form: one rate for values, wherever they are.
    package init(_ rate: Float) { (input, hidden, output) = (rate, rate, rate) }
}

/// Where values are dropped, and how many: site 0 is the embedding's output, site i the output of layer i, counted from 1.
package struct DropoutPlan: Sendable {
    private let words: Float
    /// By site.
    private let rates: [Float]
    private let isLocked: Bool
    private let dropsWeights: Bool

    /// The site of the words' masks, above those of any layer.
    package static let wordSite = 1 << 16
    /// That of the lowest layer's recurrent weights, and one for each layer from there.
    package static let weightSite = 1 << 17
    /// The same for those of the layers that read from the end.
    package static let reverseWeightSite = 1 << 18

    package init(_ model: ModelConfiguration) {
        let rates = model.dropout
        words = rates.embedding
        isLocked = rates.isLocked
        dropsWeights = rates.weights > 0
        self.rates = [rates.input] + Array(repeating: rates.hidden, count: model.layers - 1) + [rates.output]
    }

    var dropsAny: Bool { words > 0 || dropsWeights || rates.contains { $0 > 0 } }
    func drops(at site: Int) -> Bool { rates[site] > 0 }
    var dropsWords: Bool { words > 0 }

    /// The mask of a site in a step.
    package func mask(_ site: Int, _ context: StepContext) -> Dropout {
        Dropout(rate: rates[site], isLocked: isLocked, seed: context.seed, step: context.step)
    }

    /// Multiplies each row of `vectors` [N, E] by its word's mask in a step, or its derivative.
    func dropWords(_ tokens: UnsafePointer<Int32>, _ vectors: Matrix, _ context: StepContext) {
        guard words > 0 else { return }
        let mask = Dropout(rate: words, seed: context.seed, step: context.step)
        for row in 0..<vectors.rows {
            mask.apply(to: vectors.row(row), count: vectors.columns, site: DropoutPlan.wordSite, token: Int(tokens[row]))
        }
    }
}
