import Collectives
import Kernels
import Platform
import Recurrent

extension BenchmarkReport {
    /// Computes the report from the measurements.
    init(
        _ options: BenchmarkOptions, ranks measured: [RankMeasurement], machines: Int, exchange: ExchangeMeasurement?,
        alone: AloneMeasurement?, splits: SplitMeasurement?
    ) {
        let training = options.training
        let products = measured.map { rank in
            let rows = rank.samples.inputRows.map { $0 / options.steps }
            return ProductCount(training.model, batch: rank.batch, steps: training.unroll.base, inputRows: (rows[0], rows[1]))
                .divided(by: training.teamSize)
        }
        program = options.program
        hardware = Hardware(
            processor: Machine.this.processorName, cores: Machine.this.processorCount, lastCacheBytes: Machine.this.lastCache, ranks: measured.count,
            machines: machines, threadsPerRank: options.threads, products: Arithmetic.products,
            peakPerCore: mean(measured.map { $0.typical(\.peak) }),
            cachedProductPerCore: mean(measured.map { $0.typical(\.cachedProduct) }),
            readBandwidth: mean(measured.map(\.readBandwidth)),
            triadBandwidth: mean(measured.map(\.triadBandwidth)))
        let sizes = training.model.hidden
        model = Model(
            cell: training.model.cell.rawValue, layers: training.model.layers, embedding: training.model.embedding,
            hidden: sizes[0], hiddenSizes: Set(sizes).count > 1 ? sizes : nil,
            connections: training.model.connections == .none ? nil : training.model.connections.rawValue, vocabulary: training.model.vocabulary, tied: training.model.tied,
            dropouts: Dropouts(training.model.dropout), parameters: ParameterLayout(training.model).parameters,
            optimizer: training.optimizer.name.rawValue, streams: training.streams, unroll: training.unroll.base,
            split: (training.teamSize > 1 ? RankSplit.units : .streams).rawValue)
        phases = PhaseClock.Phase.allCases.map { PhaseTime($0, measured, products, threads: options.threads) }
        ranks = measured.enumerated().map { Rank($0.offset, $0.element) }
        slowestRank = ranks.max { $0.computeSeconds < $1.computeSeconds }!.rank
        step = Step(options, measured, products, alone: alone)
        step.shareOfExchangeAndUpdate =
            phases.filter { $0.name == "exchange" || $0.name == "update" }.reduce(0) { $0 + $1.medianSeconds } / step.medianSeconds

        let bandwidth = hardware.readBandwidth
        self.splits = splits.map {
            Splits($0, gradientBytes: 4 * ParameterLayout(training.model).count, bandwidth: bandwidth)
        }
        inference = alone.map { Inference($0, weightBytes: training.model.productWeightBytes) }
        scaling = []
        if options.stepsOnly { return }
        let volume = GradientVolume(training.model, tokens: options.tokens)
        let machineAlone = exchange?.machineAlone ?? alone?.steps
        self.exchange = exchange.map {
            Exchange($0, volume, alone: machineAlone!.min()!, tokens: step.tokens, pieceBytes: options.pieceBytes)
        }
        // Seconds of all ranks, if they are on one machine.
        let machineSeconds = hardware.machines == 1 ? step.medianSeconds : median(machineAlone!)
        let links = (self.exchange.map { [(name: "measured", model: $0.model)] } ?? []) + options.links
        scaling = links.map {
            Scaling($0, volume, machineSeconds: machineSeconds, machineTokens: step.tokens / hardware.machines, pieceBytes: options.pieceBytes)
        }
    }
}

extension BenchmarkReport.Inference {
    fileprivate init(_ measured: AloneMeasurement, weightBytes: Int) {
        let bound = measured.weightBandwidth / Double(weightBytes)
        self.init(
            weightBytes: weightBytes, weightBandwidth: measured.weightBandwidth, boundTokensPerSecond: bound,
            evaluationTokensPerSecond: measured.evaluation, evaluationShare: measured.evaluation / bound,
            generationTokensPerSecond: measured.generation, generationShare: measured.generation / bound)
    }
}

extension BenchmarkReport.Step {
    fileprivate init(
        _ options: BenchmarkOptions, _ measured: [RankMeasurement], _ products: [ProductCount], alone: AloneMeasurement?
    ) {
        let steps = slowest(measured.map(\.samples.steps))
        let typical = median(steps)
        let operations = products.reduce(0) { $0 + $1.total }
        self.measured = options.steps
        tokens = measured[0].samples.tokens / options.steps
        medianSeconds = typical
        bestSeconds = steps.min()!
        meanSeconds = mean(steps)
        tokensPerSecond = Double(tokens) / typical
        productOperations = operations
        operationsPerSecond = Double(operations) / typical
        // Of all cores, at the time of each step.
        let ceiling = { (value: KeyPath<CeilingSampler.Sample, Double>) in
            steps.indices.map { step in Double(options.threads) * measured.reduce(0) { $0 + $1.ceiling(value, atStep: step) } }
        }
        let share = { (ceilings: [Double]) in median(zip(steps, ceilings).map { Double(operations) / $0 / $1 }) }
        let peaks = ceiling(\.peak)
        shareOfPeak = share(peaks)
        shareOfCachedProduct = share(ceiling(\.cachedProduct))
        tokensPerSecondAtPeak = median(peaks) * Double(tokens) / Double(operations)
        shareOfExchangeAndUpdate = 0
        let perStep = measured.compactMap(\.samples.allocations).map { (calls: $0.calls, bytes: $0.bytes, own: $0.own) }
        let complete = perStep.count == measured.count
        allocationsPerStep = complete ? Double(perStep.map(\.calls).max()!) / Double(options.steps) : nil
        allocatedBytesPerStep = complete ? Double(perStep.map(\.bytes).max()!) / Double(options.steps) : nil
        ownAllocationsPerStep = complete ? Double(perStep.map(\.own).max()!) / Double(options.steps) : nil
        peakMemoryBytes = measured.compactMap(\.peakMemory).max()
        secondsToFirstStep = measured.compactMap(\.secondsToFirstStep).max()
        medianSecondsAlone = alone?.steps.map(median)
        bestSecondsAlone = alone?.steps?.min()
        // A rank of a team does a part of what rank 0 alone does.
        let parts = Double(options.training.teamSize)
        efficiency = medianSecondsAlone.map { $0 / parts / typical }
        efficiencyOfBest = bestSecondsAlone.map { $0 / parts / steps.min()! }
    }
}

extension BenchmarkReport.PhaseTime {
    /// - Parameter threads: of one rank.
    fileprivate init(
        _ phase: PhaseClock.Phase, _ measured: [RankMeasurement], _ products: [ProductCount], threads: Int
    ) {
        let times = measured.map { $0.samples.phases.map { $0[Int(phase.rawValue)] } }
        name = "\(phase)"
        medianSeconds = mean(times.map(median))
        meanSeconds = mean(times.map(mean))
        productOperations = products.reduce(0) { $0 + $1[phase] }
        guard productOperations > 0 else { return }
        operationsPerSecond = Double(productOperations) / Double(measured.count) / medianSeconds
        let shares = zip(measured, zip(times, products)).map { rank, work in
            median(work.0.enumerated().map { step, seconds in
                Double(work.1[phase]) / seconds / (Double(threads) * rank.ceiling(\.peak, atStep: step))
            })
        }
        shareOfPeak = mean(shares)
    }
}

extension RankMeasurement {
    /// The ceiling of this rank's core during step `step`: the mean of the samples right before and right after it.
    fileprivate func ceiling(_ value: KeyPath<CeilingSampler.Sample, Double>, atStep step: Int) -> Double {
        (samples.ceilings[step][keyPath: value] + samples.ceilings[step + 1][keyPath: value]) / 2
    }

    fileprivate func typical(_ value: KeyPath<CeilingSampler.Sample, Double>) -> Double {
        median(samples.ceilings.map { $0[keyPath: value] })
    }
}

extension BenchmarkReport.Rank {
    fileprivate init(_ rank: Int, _ measured: RankMeasurement) {
        let (wait, exchange) = (Int(PhaseClock.Phase.wait.rawValue), Int(PhaseClock.Phase.exchange.rawValue))
        let phases = measured.samples.phases
        self.rank = rank
        host = measured.host
        streams = measured.batch
        meanStepSeconds = mean(measured.samples.steps)
        computeSeconds = median(phases.map { $0.reduce(0, +) - $0[wait] - $0[exchange] })
        waitSeconds = median(phases.map { $0[wait] })
        exchangeSeconds = median(phases.map { $0[exchange] })
        peakPerCore = measured.typical(\.peak)
        peakMemoryBytes = measured.peakMemory
        allocationsPerStep = measured.samples.allocations.map { Double($0.calls) / Double(phases.count) }
    }
}

extension BenchmarkReport.Exchange {
    /// - Parameter alone: the best step of one of the machines.
    fileprivate init(
        _ measured: ExchangeMeasurement, _ volume: GradientVolume, alone: Double, tokens: Int, pieceBytes: Int
    ) {
        // The ranks of a machine each sum a part.
        let pieceBytes = pieceBytes * measured.ranksPerMachine
        let model = AllReduceModel(fitting: measured.sums, ranks: measured.machines, pieceBytes: pieceBytes)
        let predicted =
            alone + volume.seconds(model, machines: measured.machines, tokens: tokens, pieceBytes: pieceBytes)
        self.init(
            gradientBytes: volume.all, sentBytes: volume.dense + volume.touched(tokens: tokens),
            stepsShareMemory: measured.stepsShareMemory,
            sums: measured.sums.map {
                Sum(
                    bytes: $0.bytes, seconds: $0.seconds,
                    modelSeconds: model.seconds(bytes: $0.bytes, ranks: measured.machines, pieceBytes: pieceBytes))
            },
            model: model,
            check: Check(
                predictedSeconds: predicted, measuredSeconds: measured.bestSeconds,
                error: predicted / measured.bestSeconds - 1))
    }
}

extension BenchmarkReport.Scaling {
    fileprivate init(
        _ link: (name: String, model: AllReduceModel), _ volume: GradientVolume, machineSeconds: Double, machineTokens: Int,
        pieceBytes: Int
    ) {
        self.init(
            link: link.name, model: link.model, machineSeconds: machineSeconds,
            points: (1...8).map { 1 << $0 }.map { machines in
                let tokens = machines * machineTokens
                let exchange = volume.seconds(link.model, machines: machines, tokens: tokens, pieceBytes: pieceBytes)
                return Point(
                    machines: machines, sentBytes: volume.dense + volume.touched(tokens: tokens), exchangeSeconds: exchange,
                    stepSeconds: machineSeconds + exchange, efficiency: machineSeconds / (machineSeconds + exchange))
            })
    }
}

private func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }

extension BenchmarkReport.Dropouts {
    /// In the digits of the configuration.
    fileprivate init(_ rates: DropoutRates) {
        func rate(_ value: Float) -> Double { Double("\(value)") ?? Double(value) }
        self.init(
            embedding: rate(rates.embedding), input: rate(rates.input), hidden: rate(rates.hidden), output: rate(rates.output))
    }
}
