import Benchmark
import Checkpoints
import Reporting

extension BenchmarkReport {
    /// The report as text.
    var text: String {
        let (words, numbers) = ([0, 1] as Set, [0] as Set)
        var parts = [
            table(summary, textColumns: words),
            table(phaseRows, textColumns: numbers),
            table(rankRows, textColumns: words) + (ranks.count > 1 ? "\nthe slowest is rank \(slowestRank)" : ""),
        ]
        if let exchange {
            parts.append(
                """
                all-reduce \(exchange.stepsShareMemory ? "of \(ranks.count) ranks by messages" : "between \(hardware.machines) machines"), of the gradient's \(Formatting.bytes(exchange.gradientBytes)) a step sends \(Formatting.bytes(exchange.sentBytes)); model: latency \(microseconds(exchange.model.latency)) us, \(gigabytes(exchange.model.bytesPerSecond)) GB/s
                \(table(sumRows(exchange), textColumns: []))
                \(checkLine(exchange))
                """)
        }
        if let splits {
            parts.append(
                """
                streams or units (exchange.split), best step in ms; ranks meet \(splits.meetingsPerStep) times a step, \(microseconds(splits.meetingSeconds)) us each
                \(table(splitRows(splits), textColumns: numbers))
                """)
        }
        guard let inference else { return parts.joined(separator: "\n\n") }
        parts.append(
            """
            predicted efficiency on machines like this one, the same streams for each, the gradient summed between them, nothing overlapped
            \(table(scalingRows, textColumns: numbers))
            """)
        parts.append(
            """
            one stream on one rank
            \(table(inferenceRows(inference), textColumns: numbers))
            """)
        return parts.joined(separator: "\n\n")
    }

    private var summary: [[String]] {
        let threads = hardware.threadsPerRank
        let together = hardware.ranks > 1 ? ", all ranks at once" : ""
        var rows = [
            ["machine", "\(hardware.processor), \(hardware.cores) cores, last cache \(Formatting.bytes(hardware.lastCacheBytes))"],
            ["ranks", "\(hardware.ranks) on \(hardware.machines) machine\(hardware.machines == 1 ? "" : "s"), \(threads) thread\(threads == 1 ? "" : "s") each\(hardware.ranks == 1 ? "" : ", sharing out \(model.split)")"],
            ["products", hardware.products],
            ["peak", "\(giga(hardware.peakPerCore)) GFLOP/s per core in fused multiply-adds, \(giga(hardware.cachedProductPerCore)) in a product that stays in the second-level cache, between the steps\(together)"],
            ["memory", "\(gigabytes(hardware.readBandwidth)) GB/s read, \(gigabytes(hardware.triadBandwidth)) GB/s triad, for each rank\(together)"],
            ["model", "\(model.shape.text), dropout \(model.dropouts.text), \(model.optimizer): \(Formatting.count(model.parameters)) parameters"],
            ["step", "\(model.streams) x \(model.unroll) tokens: median \(milliseconds(step.medianSeconds)) ms of \(step.measured), best \(milliseconds(step.bestSeconds)) ms"],
            ["speed", "\(Formatting.count(Int(step.tokensPerSecond.rounded()))) tokens/s"],
            ["arithmetic", "\(giga(Double(step.productOperations))) GFLOP per step in products, \(giga(step.operationsPerSecond)) GFLOP/s, \(percent(step.shareOfPeak)) of the peak, \(percent(step.shareOfCachedProduct)) of the cached product's rate"],
            ["limit", "\(Formatting.rate(step.tokensPerSecondAtPeak)) tokens/s, if the ranks' cores computed only these products, at their peak"],
            ["exchange + update", "\(percent(step.shareOfExchangeAndUpdate)) of the step"],
        ]
        if let alone = step.medianSecondsAlone, let efficiency = step.efficiency, let best = step.efficiencyOfBest {
            rows.append(["efficiency", "\(percent(efficiency)), \(percent(best)) of the best steps: rank 0 alone takes \(milliseconds(alone)) ms for its streams, \(milliseconds(step.bestSecondsAlone!)) ms at best"])
        }
        let allocations = step.allocationsPerStep.map { count in
            let own = hardware.ranks > 1 ? ", of which \(Formatting.fixed(step.ownAllocationsPerStep!, decimals: 1)) by lockstep itself, the others in MPI" : ""
            return "\(Formatting.fixed(count, decimals: 1)) per step, \(Formatting.bytes(Int(step.allocatedBytesPerStep!)))\(own)"
        }
        rows.append(["allocations", allocations ?? "not counted on this platform"])
        if let memory = step.peakMemoryBytes { rows.append(["memory used", "\(Formatting.bytes(memory)) by one rank at most"]) }
        if let seconds = step.secondsToFirstStep {
            rows.append(["first step", "\(Formatting.fixed(seconds, decimals: 2)) s after the start of the process"])
        }
        return rows
    }

    private var phaseRows: [[String]] {
        let rows = phases.filter { $0.meanSeconds > 0 }.map { phase in
            [
                words(phase.name), milliseconds(phase.medianSeconds), percent(phase.medianSeconds / step.medianSeconds),
                phase.operationsPerSecond.map(giga) ?? "", phase.shareOfPeak.map(percent) ?? "",
            ]
        }
        let whole = [
            "whole step", milliseconds(step.medianSeconds), percent(1),
            giga(step.operationsPerSecond / Double(hardware.ranks)), percent(step.shareOfPeak),
        ]
        return [["phase", "ms", "of step", "GFLOP/s", "of peak"]] + rows + [whole]
    }

    private var rankRows: [[String]] {
        [["rank", "host", "streams", "compute ms", "wait ms", "exchange ms", "GFLOP/s peak", "memory", "allocations"]]
            + ranks.map { rank in
                [
                    "\(rank.rank)", rank.host, "\(rank.streams)", milliseconds(rank.computeSeconds),
                    milliseconds(rank.waitSeconds), milliseconds(rank.exchangeSeconds), giga(rank.peakPerCore),
                    rank.peakMemoryBytes.map(Formatting.bytes) ?? "?",
                    rank.allocationsPerStep.map { Formatting.fixed($0, decimals: 1) } ?? "?",
                ]
            }
    }

    private func sumRows(_ exchange: Exchange) -> [[String]] {
        [["size", "ms", "GB/s", "model ms", "error"]]
            + exchange.sums.map { sum in
                [
                    Formatting.bytes(sum.bytes), Formatting.fixed(sum.seconds * 1e3, decimals: 3),
                    gigabytes(Double(sum.bytes) / sum.seconds), Formatting.fixed(sum.modelSeconds * 1e3, decimals: 3),
                    signedPercent(sum.modelSeconds / sum.seconds - 1),
                ]
            }
    }

    private func checkLine(_ exchange: Exchange) -> String {
        let how = exchange.stepsShareMemory ? ", if they exchanged by messages" : ", without overlap"
        let alone = hardware.ranks > hardware.machines && !exchange.stepsShareMemory ? "one machine" : "rank 0"
        return "best step of \(ranks.count) ranks\(how): predicted \(milliseconds(exchange.check.predictedSeconds)) ms (\(alone) alone + model), "
            + "measured \(milliseconds(exchange.check.measuredSeconds)) ms, error \(signedPercent(exchange.check.error))"
    }

    private var scalingRows: [[String]] {
        [["link"] + (scaling.first?.points ?? []).map { "\($0.machines)" }]
            + scaling.map { [$0.link] + $0.points.map { percent($0.efficiency) } }
    }

    private func splitRows(_ splits: Splits) -> [[String]] {
        func times(_ streams: Double?, _ units: Double) -> [String] {
            [streams.map(milliseconds) ?? "-", milliseconds(units), streams.map { Formatting.fixed($0 / units, decimals: 2) } ?? "-"]
        }
        return [["", "streams", "units", "streams / units"]]
            + [["\(hardware.ranks) ranks, measured"] + times(splits.measuredStreams, splits.measuredUnits)]
            + splits.points.map { ["\($0.cores) cores, predicted"] + times($0.streams, $0.units) }
    }

    private func inferenceRows(_ inference: Inference) -> [[String]] {
        let bound = inference.boundTokensPerSecond
        return [
            ["", "tokens/s", "of bound"],
            ["bound: \(Formatting.bytes(inference.weightBytes)) of weights at \(gigabytes(inference.weightBandwidth)) GB/s", Formatting.rate(bound), ""],
            ["evaluation", Formatting.rate(inference.evaluationTokensPerSecond), percent(inference.evaluationShare)],
            ["generation", Formatting.rate(inference.generationTokensPerSecond), percent(inference.generationShare)],
        ]
    }

    /// `recurrenceBackward` as `recurrence backward`.
    private func words(_ name: String) -> String {
        String(name.flatMap { $0.isUppercase ? [" ", Character($0.lowercased())] : [$0] })
    }
    private func milliseconds(_ seconds: Double) -> String { Formatting.fixed(seconds * 1e3, decimals: seconds < 0.01 ? 3 : 1) }
    private func microseconds(_ seconds: Double) -> String { Formatting.fixed(seconds * 1e6, decimals: 1) }
    private func giga(_ rate: Double) -> String { Formatting.fixed(rate / 1e9, decimals: rate < 1e10 ? 2 : 1) }
    private func gigabytes(_ rate: Double) -> String { Formatting.fixed(rate / 1e9, decimals: 2) }
    private func percent(_ share: Double) -> String { Formatting.fixed(share * 100, decimals: 1) + " %" }
    private func signedPercent(_ share: Double) -> String { (share < 0 ? "" : "+") + percent(share) }
}

extension BenchmarkReport.Model {
    fileprivate var shape: ModelSummary {
        ModelSummary(
            cell: cell, activation: "", embedding: embedding, hidden: hiddenSizes ?? Array(repeating: hidden, count: layers),
            tied: tied, vocabularySize: vocabulary, options: connections.map { ["connections": $0] })
    }
}

extension BenchmarkReport.Dropouts {
    /// One number where it is one.
    fileprivate var text: String {
        embedding == 0 && input == hidden && hidden == output
            ? "\(hidden)" : "(embedding \(embedding), input \(input), hidden \(hidden), output \(output))"
    }
}
