import Randomness

/// One layer's recurrent state for all streams of a chunk.
package struct OracleState: Equatable, Sendable {
    package var hidden: [Double]  // [B, H]
    /// Empty unless the cell is an LSTM.
    package var cell: [Double]  // [B, H]

    package init(hidden: [Double], cell: [Double]) {
        self.hidden = hidden
        self.cell = cell
    }

    var shape: [Int] { [hidden.count, cell.count] }

    func row(_ stream: Int, of batch: Int) -> OracleState {
        func row(_ values: [Double]) -> [Double] {
            let width = values.count / batch
            return Array(values[stream * width..<(stream + 1) * width])
        }
        return OracleState(hidden: row(hidden), cell: row(cell))
    }

    mutating func setRow(_ stream: Int, to row: OracleState) {
        hidden.replaceSubrange(stream * row.hidden.count..<(stream + 1) * row.hidden.count, with: row.hidden)
        cell.replaceSubrange(stream * row.cell.count..<(stream + 1) * row.cell.count, with: row.cell)
    }
}

/// A change of h or c of one layer at one step.
package struct OracleDisturbance: Sendable {
    package var layer: Int
    package var step: Int
    /// Of c, from which h then follows.
    package var isOfCell: Bool
    package var place: Int
    package var amount: Double

    package init(layer: Int, step: Int, isOfCell: Bool, place: Int, amount: Double) {
        self.layer = layer
        self.step = step
        self.isOfCell = isOfCell
        self.place = place
        self.amount = amount
    }
}

/// The input of one forward and backward pass.
package struct OracleChunk: Sendable {
    package var steps: Int
    package var batch: Int
    package var inputs: [Int32]  // [T, B]
    /// -1: no prediction.
    package var targets: [Int32]  // [T, B]
    /// One element per layer.
    package var initialState: [OracleState]
    /// Explicit multipliers by site: 0 is the embedding's output [T, B, E], l is the output of layer l [T, B, H]
    /// (l = 1 ... L; the last one feeds the output layer). Nil: no dropout.
    package var dropout: [[Double]]?
    /// A multiplier of each word's vector [V], before those. Nil: none.
    package var wordDropout: [Double]?
    /// Where a line starts, [T, B]; nil: nowhere.
    package var lineStarts: [Bool]?
    /// Whether the state is zero there; else only no gradient passes.
    package var resets = false
    /// A label for each sequence, from one vector of it, where its last position has a target; nil: one for each position.
    package var pooling: OraclePool.Kind?
    package var penalties = OraclePenalties()
    /// Adds an amount to one state of one layer at one step, in every stream; what the step makes of it follows.
    package var disturbance: OracleDisturbance?
    /// Adds sum(final state * these) to the differentiated loss, so that the gradient through the final state shows.
    package var finalStateWeights: [OracleState]?

    package init(
        steps: Int, batch: Int, inputs: [Int32], targets: [Int32], initialState: [OracleState],
        dropout: [[Double]]? = nil, finalStateWeights: [OracleState]? = nil
    ) {
        self.steps = steps
        self.batch = batch
        self.inputs = inputs
        self.targets = targets
        self.initialState = initialState
        self.dropout = dropout
        self.finalStateWeights = finalStateWeights
    }

    /// Random tokens, one position in seven without prediction, a non-zero initial state, and inverted-dropout
    /// multipliers (0 or 1 / (1 - dropoutRate)) when the rate is positive.
    package static func random(
        for model: OracleModel, steps: Int, batch: Int, dropoutRate: Double = 0, seed: UInt64
    ) -> OracleChunk {
        var numbers = PhiloxSequence(seed: seed, purpose: .corpus)
        let positions = steps * batch
        let inputs = (0..<positions).map { _ in Int32.random(in: 0..<Int32(model.vocabulary), using: &numbers) }
        let targets = (0..<positions).map { position in
            position % 7 == 3 ? -1 : Int32.random(in: 0..<Int32(model.vocabulary), using: &numbers)
        }
        let keep = 1 - dropoutRate
        let sites = (0...model.layers).map(model.width(belowLayer:))
        return OracleChunk(
            steps: steps, batch: batch, inputs: inputs, targets: targets,
            initialState: randomState(for: model, batch: batch, using: &numbers),
            dropout: dropoutRate == 0
                ? nil
                : sites.map { width in
                    (0..<positions * width).map { _ in numbers.uniform() < keep ? 1 / keep : 0 }
                })
    }

    /// Uniform in [-1, 1), for an initial state or for `finalStateWeights`.
    package static func randomState(
        for model: OracleModel, batch: Int, using numbers: inout PhiloxSequence
    ) -> [OracleState] {
        model.zeroState(batch: batch).map {
            OracleState(
                hidden: numbers.uniforms($0.hidden.count, range: 1), cell: numbers.uniforms($0.cell.count, range: 1))
        }
    }
}

package struct OracleResult: Sendable {
    /// Summed negative log likelihood in nats, without penalties and the extra term of `finalStateWeights`.
    package var loss = 0.0
    /// What penalties add to the summed loss.
    package var penalty = 0.0
    /// Predictions made.
    package var count = 0
    /// 0 where there is no prediction.
    package var tokenLosses: [Double]  // [T, B]
    package var finalState: [OracleState]
    /// Gradients of the summed loss (plus penalties and the extra term), by parameter name.
    package var gradients: [String: [Double]] = [:]
    package var initialStateGradients: [OracleState]
}

extension PhiloxSequence {
    /// Uniform in [-range, range).
    package mutating func uniforms(_ count: Int, range: Double) -> [Double] {
        (0..<count).map { _ in range * (2 * uniform() - 1) }
    }
}
