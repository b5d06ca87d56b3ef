/// The fields of a progress line, aligned from line to line.
struct ProgressLine {
    let totalSteps: Int
    let totalEpochs: Int?
    /// Indices of `fields`, most important first: step, time left, loss, what stands beside it, speed, epoch.
    static func order(_ measure: LossMeasure) -> [Int] { measure == .labels ? [0, 4, 2, 3, 1] : [0, 5, 2, 3, 4, 1] }

    /// `step  1200/31000`, `epoch  2/12`, `loss 1.832`, `ppl   6.25`, `11.2k tok/s`, `4m10s left`. The loss of labels has nothing
    /// beside it.
    func fields(of record: TrainingRecord) -> [String] {
        let beside = record.perplexity.map { "ppl \(Formatting.padded(Formatting.perplexity($0), to: 6))" } ?? root(record.rootMeanSquare)
        let fields: [String?] = [
            "step \(counted(record.step, of: totalSteps))",
            epoch(record.epoch),
            "loss \(Formatting.fixed(record.loss, decimals: record.measure == .values ? 6 : 3))",
            beside,
            "\(Formatting.padded(Formatting.rate(record.tokensPerSecond), to: 5)) \(record.measure == .tokens ? "tok" : record.measure.noun)/s",
            secondsLeft(after: record).map { "\(Formatting.duration(seconds: $0)) left" },
        ]
        return fields.compactMap(\.self)
    }

    /// Starts like a progress line.
    func line(of record: ValidationRecord) -> String {
        let beside = record.perplexity.map { "ppl \(Formatting.perplexity($0))" } ?? root(record.rootMeanSquare)
        let fields: [String?] = [
            "step \(counted(record.step, of: totalSteps))",
            epoch(record.epoch),
            "validation loss \(Formatting.fixed(record.loss, decimals: record.measure == .values ? 6 : 4))",
            record.accuracy.map { "accuracy \(Formatting.fixed(100 * $0, decimals: 2)) %" } ?? beside,
            "\(Formatting.count(record.tokens)) \(record.measure.noun)",
            record.averagedSteps.flatMap { $0 > 0 ? "average of \(Formatting.count($0)) steps" : nil },
        ]
        return fields.compactMap(\.self).joined(separator: "  ")
    }

    private func root(_ value: Double?) -> String? { value.map { "rmse \(Formatting.fixed($0, decimals: 4))" } }

    /// The time for the remaining steps at the current speed, without validation and saving.
    private func secondsLeft(after record: TrainingRecord) -> Double? {
        guard record.step > 0, record.tokens > 0, record.tokensPerSecond > 0 else { return nil }
        let tokensPerStep = Double(record.tokens) / Double(record.step)
        return Double(max(0, totalSteps - record.step)) * tokensPerStep / record.tokensPerSecond
    }

    private func epoch(_ number: Int) -> String {
        "epoch \(totalEpochs.map { counted(number, of: $0) } ?? "\(number)")"
    }

    private func counted(_ number: Int, of total: Int) -> String {
        "\(Formatting.padded(String(number), to: String(total).count))/\(total)"
    }
}
