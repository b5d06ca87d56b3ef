import Kernels

/// Penalties on the uppermost layer's output, added to the loss that is differentiated (Merity, McCann and Socher 2017; Merity et
/// al. 2018, section 4.6). Reported losses are without them. docs/mathematics.md (p1) and (p2).
package struct OutputPenalties: Sendable, Equatable {
    /// alpha: times the mean square of what the head reads, after dropout.
    package var activation: Float = 0
    /// beta: times the mean square of the output's change from step to step, before dropout.
    package var slowness: Float = 0

    package init() {}

    /// Adds the derivative of the activation penalty to `gradient` [T*B, H], that of a sum of losses.
    /// - Parameters:
    ///   - output: what the head reads, [T*B, H].
    ///   - units: those whose derivatives are added.
    func addActivation(of output: Matrix, units: Range<Int>, to gradient: Matrix) {
        if activation == 0 { return }
        let factor = Float(2 * Double(activation) / Double(output.columns))
        for row in 0..<output.rows {
            let (y, dy) = (Row(output.row(row)) + units.lowerBound, Row(gradient.row(row)) + units.lowerBound)
            for j in LaneBlocks(units.count) { dy[j] = dy[j] + y[j] * factor }
        }
    }

    /// Adds the derivative of the slowness penalty to `gradient` [T*B, H], that of a sum of losses.
    /// - Parameters:
    ///   - output: the layer's output before dropout, [T*B, H], time-major.
    ///   - batch: B.
    ///   - units: those whose derivatives are added.
    ///   - lines: no change is penalised where a line starts.
    func addSlowness(of output: Matrix, batch: Int, units: Range<Int>, lines: LineStarts?, to gradient: Matrix) {
        let steps = output.rows / batch
        if slowness == 0 || steps < 2 { return }
        let factor = Float(2 * Double(slowness) * Double(steps) / (Double(steps - 1) * Double(output.columns)))
        for row in batch..<output.rows where lines == nil || lines?.marks[row] == 0 {
            let (before, after) = (Row(output.row(row - batch)) + units.lowerBound, Row(output.row(row)) + units.lowerBound)
            let (dBefore, dAfter) = (Row(gradient.row(row - batch)) + units.lowerBound, Row(gradient.row(row)) + units.lowerBound)
            for j in LaneBlocks(units.count) {
                let change = (after[j] - before[j]) * factor
                dAfter[j] = dAfter[j] + change
                dBefore[j] = dBefore[j] - change
            }
        }
    }
}
