/// The fields of a progress line, aligned from line to line.
struct ProgressLine {
    let totalSteps: Int
    let totalEpochs: Int?
    /// Whether the loss is a mean squared error, which has no perplexity.
    var isSquaredError = false

    /// Indices of `fields`, most important first: step, time left, loss, perplexity, speed, epoch.
    static let order = [0, 5, 2, 3, 4, 1]

    /// `step  1200/31000`, `epoch  2/12`, `loss 1.832`, `ppl   6.25`, `11.2k tok/s`,
    /// `4m10s left`.
    func fields(of record: TrainingRecord) -> [String] {
        var fields = [
            "step \(counted(record.step, of: totalSteps))",
            epoch(record.epoch),
            "loss \(Formatting.fixed(record.loss, decimals: 3))",
            isSquaredError ? "rmse \(Formatting.fixed(record.loss.squareRoot(), decimals: 4))" : "ppl \(Formatting.padded(Formatting.perplexity(record.perplexity), to: 6))",
            "\(Formatting.padded(Formatting.rate(record.tokensPerSecond), to: 5)) tok/s",
        ]
        if let seconds = secondsLeft(after: record) { fields.append("\(Formatting.duration(seconds: seconds)) left") }
        return fields
    }

    /// Starts like a progress line.
    func line(of record: ValidationRecord) -> String {
        let average = record.averagedSteps.flatMap { $0 > 0 ? "average of \(Formatting.count($0)) steps" : nil }
        let fields: [String] = [
            "step \(counted(record.step, of: totalSteps))",
            epoch(record.epoch),
            "validation loss \(Formatting.fixed(record.loss, decimals: isSquaredError ? 6 : 4))",
            isSquaredError ? "rmse \(Formatting.fixed(record.loss.squareRoot(), decimals: 4))"
                : record.accuracy.map { "accuracy \(Formatting.fixed(100 * $0, decimals: 2)) %" } ?? "ppl \(Formatting.perplexity(record.perplexity))",
            "\(Formatting.count(record.tokens)) \(isSquaredError ? "predictions" : record.accuracy == nil ? "tokens" : "labels")",
        ]
        return (fields + (average.map { [$0] } ?? [])).joined(separator: "  ")
    }

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
