import Collectives
import Corpus
import Files
import FoundationEssentials
import Glibc
import Recurrent
import Reporting
import Training

/// What a user should know before the first step and after the last.
struct RunSummary {
    let text: String

    init(
        _ options: TrainingOptions, trainer: Trainer, dataset: Dataset, plan: RunPlan, communicator: any Communicator
    ) {
        let model = options.model
        let layout = ParameterLayout(model)
        let memory = RunSummary.memory(options, ranks: communicator.size)
        let partition = trainer.partition
        let ranks = communicator.size
        let perRank = options.streams % ranks == 0 ? "\(options.streams / ranks)" : "\(options.streams / ranks) or \(options.streams / ranks + 1)"
        var rows = [
            ("model", "\(model.cell.rawValue) \(model.layers) x \(model.hidden), embedding \(model.embedding), vocabulary \(Formatting.count(model.vocabulary))\(model.tied ? ", tied" : ""): \(Formatting.count(layout.parameters)) parameters"),
            ("data", "\(dataset.folder): \(Formatting.count(partition.tokens)) tokens (\(dataset.vocabulary.level.rawValue))"),
            ("streams", "\(options.streams) of \(Formatting.count(partition.steps)) predictions, \(perRank) per rank; \(partition.tail) at the corpus's end are not trained"),
            ("ranks", "\(ranks), \(Job.threads) thread\(Job.threads == 1 ? "" : "s") each"),
            ("memory", "\(Formatting.bytes(memory ?? 0)) per rank, of \(Formatting.bytes(RunSummary.machineMemory ?? 0)) in this machine"),
            ("steps", "\(Formatting.count(options.totalSteps))"),
            ("run folder", plan.folder),
        ]
        if let checkpoint = plan.checkpoint {
            rows.append(("resumed", "\(checkpoint.folder), saved by \(checkpoint.manifest.ranks) rank\(checkpoint.manifest.ranks == 1 ? "" : "s")"))
        }
        let cores = Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        if ranks == 1, Job.threads == 1, cores > 1, getenv("OMPI_COMM_WORLD_SIZE") == nil {
            rows.append(("hint", "this uses 1 of \(cores) cores; all of them: mpirun -n \(cores) lockstep train ..."))
        }
        text = rows.map { name, value in name + String(repeating: " ", count: 12 - name.count) + value }.joined(separator: "\n")
    }

    /// Bytes that one rank allocates in all; nil when that overflows.
    static func memory(_ options: TrainingOptions, ranks: Int) -> Int? {
        let batch = (options.streams + ranks - 1) / ranks
        guard
            let training = ModelMemory(
                options.model, batch: batch, steps: options.unroll.maximumLength, training: true,
                optimizerSlots: options.optimizer.name.slots.count),
            let evaluation = Evaluator.memory(options.model, streams: options.validation.streams, ranks: ranks),
            let sample = options.samples == nil ? 0 : SamplePlan.memory(options.model)
        else { return nil }
        return training.total + evaluation + sample
    }

    /// Physical memory, bytes.
    static var machineMemory: Int? {
        let pages = sysconf(Int32(_SC_PHYS_PAGES))
        let size = sysconf(Int32(_SC_PAGESIZE))
        return pages > 0 && size > 0 ? pages * size : nil
    }

    /// Refuses a run whose ranks on this machine need more memory than it has, before anything is allocated.
    /// - Parameters:
    ///   - copies: how often each rank holds the model.
    ///   - extra: bytes that each rank needs beside.
    static func checkMemory(
        _ options: TrainingOptions, _ communicator: any Communicator, copies: Int = 1, extra: Int = 0
    ) throws {
        let local = getenv("OMPI_COMM_WORLD_LOCAL_SIZE").flatMap { Int(String(cString: $0)) } ?? 1
        let remedy = "reduce model.hidden, model.embedding, training.streams or training.unroll, or start fewer ranks per machine"
        guard let once = memory(options, ranks: communicator.size), once < Int.max / (2 * copies) - extra else {
            throw UsageError("the model's size overflows", location: "model", remedy: remedy)
        }
        let needed = copies * once + extra
        guard let machine = machineMemory else { return }
        let (total, overflow) = needed.multipliedReportingOverflow(by: local)
        guard !overflow, total <= machine else {
            throw UsageError(
                "the run needs more memory than this machine has", location: "model",
                expected: "at most \(Formatting.bytes(machine))", found: "\(Formatting.bytes(needed)) for each of \(local) ranks", remedy: remedy)
        }
    }

    /// The last words of a finished run.
    static func ending(_ result: TrainingResult, folder: String) -> String {
        var lines = ["trained \(Formatting.count(result.step)) steps in \(Formatting.duration(seconds: result.seconds)); \(Formatting.count(result.tokens)) tokens at \(Formatting.count(Int((Double(result.tokens) / max(result.stepSeconds, 1e-9)).rounded()))) tokens/s"]
        if result.tokens == 0 { lines = ["nothing to do: the run has all its \(Formatting.count(result.step)) steps"] }
        if let validation = result.lastValidation {
            lines.append("final validation: loss \(Formatting.fixed(validation.nats, decimals: 4)) nats, perplexity \(Formatting.fixed(validation.perplexity, decimals: 3))")
        }
        if let best = result.best {
            lines.append("best validation:  loss \(Formatting.fixed(best.validationLoss, decimals: 4)) nats, perplexity \(Formatting.fixed(exp(best.validationLoss), decimals: 3)), at step \(Formatting.count(best.step))")
        }
        lines += [
            "next:",
            "  lockstep evaluate --checkpoint \(folder)",
            "  lockstep generate --checkpoint \(folder)",
        ]
        return lines.joined(separator: "\n")
    }
}
