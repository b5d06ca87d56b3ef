import Checkpoints
import Collectives
import Corpus
import Diagnostics
import Files
import FoundationEssentials
import Glibc
import Inference
import Kernels
import MPITransport
import Platform
import Recurrent
import Reporting
import Training

/// The information that a user needs before the first step and after the last.
struct RunSummary {
    let text: String

    /// - Parameter initialisation: what the parameters start from, beside random numbers.
    init(
        _ options: TrainingOptions, data: TrainingData, plan: RunPlan, placement: Placement,
        ranks: Int, initialisation: [String]
    ) throws {
        let dataset = data.dataset
        let validation = dataset.manifest.splits[.valid].map { ", \(Formatting.count($0.tokens)) to validate" } ?? ", none to validate"
        let model = options.model
        let memory = options.memory(ranks: ranks) ?? 0
        let (teamSize, parts) = (options.teamSize, ranks / options.teamSize)
        let perPart = options.streams % parts == 0 ? "\(options.streams / parts)" : "\(options.streams / parts) or \(options.streams / parts + 1)"
        let share = ranks == 1 ? "" : teamSize > 1 ? ", \(perPart) per team of \(teamSize) ranks that share hidden units" : ", \(perPart) per rank"
        let epochs: Double
        let batches: (String, String)
        if let sequences = data.sequences?.training {
            let size = options.streams
            let number = SentenceBatches.batches(sequences, size: size)
            epochs = Double(options.totalSteps) / Double(number)
            batches = ("batches", "\(size) of \(Formatting.count(sequences.count)) sequences\(share), of up to \(Formatting.count(sequences.longest)) \(dataset.manifest.values == nil ? "tokens" : "rows"); \(Formatting.count(number)) an epoch")
        } else {
            let partition = try StreamPartition(tokens: data.training.count, streams: options.streams, remainder: .dropped)
            epochs = Double(options.totalSteps) * Double(options.unroll.base) / Double(partition.steps)
            batches = ("streams", "\(options.streams) of \(Formatting.count(partition.steps)) predictions\(share); the last \(partition.tail) are left out")
        }
        var rows = [
            ("model", "\(ModelSummary(model).text): \(Formatting.count(ParameterLayout(model).parameters)) parameters"),
            ("data", "\(dataset.folder): \(Formatting.count(data.training.count)) \(dataset.manifest.values.map { "rows of \($0.inputs) numbers" } ?? "tokens (\(dataset.vocabulary.level.rawValue)s)")\(validation)"),
            batches,
            ("ranks", placement.ranksText),
            ("cores", placement.binding),
        ]
        rows.insert(contentsOf: initialisation.enumerated().map { ($0.offset == 0 ? "weights" : "", $0.element) }, at: 1)
        var warnings = [placement.warning, options.teamNote.map { "exchange.team is cache, but \($0): the ranks of a machine are a team; bind each rank to a core" }]
        if case .adaptive(let softmax) = model.softmax {
            rows.insert(("softmax", softmax.sharesText), at: 1)
            warnings.append(softmax.warning(counts: data.training.counts(vocabularySize: model.vocabulary)))
        }
        if let use = placement.memory(ofRanks: { options.memory(ofRanks: $0, each: memory, ranks: ranks) ?? .max }) {
            let here = ranks == 1 ? ";" : " per rank, \(Formatting.bytes(use.needed)) on \(use.host), where"
            rows.append(("memory", "\(Formatting.bytes(memory))\(here) \(Formatting.bytes(use.free)) of \(Formatting.bytes(use.total)) are free"))
            if use.needed > use.free {
                warnings.append("less memory is free on \(use.host) than the run needs: it may be killed, or swap")
            }
        } else {
            rows.append(("memory", "\(Formatting.bytes(memory)) per rank"))
        }
        let here = placement.ranksHere
        if here > 1, let free = SharedMemoryFolder.free {
            let gradients = teamSize > 1 ? 0 : here * 4 * ParameterLayout(model).count
            let need = options.sharedMemory(ofRanks: here, ranks: ranks) + gradients
            rows.append(("shared", "\(Formatting.bytes(need)) of it in \(SharedMemoryFolder.path), where \(Formatting.bytes(free)) are free"))
        }
        let passes = epochs < 0.05
            ? "less than 0.1" : "about " + Formatting.fixed(epochs, decimals: epochs < 10 ? 1 : 0).replacing(".0", with: "")
        rows += [("steps", "\(Formatting.count(options.totalSteps)), \(passes) epoch\(passes == "about 1" ? "" : "s")"), ("run folder", plan.folder)]
        if let checkpoint = plan.checkpoint {
            let savers = checkpoint.manifest.ranks
            rows.append(("resumed", "step \(Formatting.count(checkpoint.manifest.step)), saved by \(savers) rank\(savers == 1 ? "" : "s") in \(checkpoint.folder)"))
        }
        if let shards = options.reproducibleShards {
            let other = teamSize > 1 ? "any number of ranks on one machine, or on a number of machines that divides \(shards)" : "1 rank or any number that divides \(shards)"
            rows.append(("exact", "\(shards) shards, \(shards / parts) per \(teamSize > 1 ? "team" : "rank"), summed in a fixed order: the same bytes on \(other)"))
        }
        rows += warnings.compactMap { $0 }.map { ("warning", $0) }
        let useful = options.usefulRanks(of: placement.cores)
        if ranks == 1, useful > 1, LaunchEnvironment.size == nil {
            let use = Arithmetic.threads == 1 ? "this uses 1 of \(placement.cores) cores; more" : "threads share products only; faster"
            rows.append(("hint", "\(use): \(Launcher.name) -n \(useful) --bind-to core \(Invocation.text)"))
        }
        text = rows.map { name, value in name + String(repeating: " ", count: 12 - name.count) + value }.joined(separator: "\n")
    }

    /// Refuses a run whose ranks on this machine need more memory than it has, before anything is allocated.
    /// - Parameters:
    ///   - copies: the number of copies of the model on each rank.
    ///   - extra: bytes that each rank needs in addition.
    static func checkMemory(
        _ options: TrainingOptions, _ communicator: any Communicator, copies: Int = 1, extra: Int = 0
    ) throws {
        let local = LaunchEnvironment.localSize ?? 1
        let remedy = "reduce model.hidden, model.embedding, training.streams or training.unroll, or start fewer ranks per machine"
        guard let once = options.memory(ranks: communicator.size), once < Int.max / (2 * copies) - extra else {
            throw UsageError("the model's size overflows", location: "model", remedy: remedy)
        }
        let needed = copies * once + extra
        if let mappable = Machine.this.mappable, needed > mappable {
            throw UsageError(
                "the run needs more memory than the limit of a process allows", location: "ulimit -v",
                expected: "at most \(Formatting.bytes(mappable))", found: Formatting.bytes(needed), remedy: "raise the limit, or \(remedy)")
        }
        let machine = Machine.this.memory.usable
        guard machine > 0 else { return }
        guard let total = options.memory(ofRanks: local, each: needed, ranks: communicator.size), total <= machine else {
            throw UsageError(
                "the run needs more memory than this machine has", location: "model",
                expected: "at most \(Formatting.bytes(machine))", found: "\(Formatting.bytes(needed)) for each of \(local) ranks", remedy: remedy)
        }
    }

    /// The last line of a run that was asked to stop: its state is safe.
    static func stopped(_ result: TrainingResult, ranks: Int) -> String {
        let launcher = ranks == 1 ? "" : "\(Launcher.name) -n \(ranks) \(Machine.this.processors.isUnbound ? "" : "--bind-to core ")"
        return Diagnosis(
            "stopped on request, checkpoint saved", file: result.folder, location: "step \(result.step)",
            remedy: "resume with: \(launcher)lockstep train --run \(result.folder.shellWord) --resume auto"
        ).line
    }

    /// The last lines of a finished run.
    /// - Parameters:
    ///   - measure: what the loss measures.
    ///   - deed: what was done, for a run other than of steps.
    static func ending(_ result: TrainingResult, dataset: Dataset, measure: LossMeasure = .tokens, deed: String? = nil) -> String {
        let whole = result.steps == result.step ? "" : ", \(Formatting.count(result.step)) in all,"
        var lines = ["trained \(Formatting.count(result.steps)) steps\(whole) in \(Formatting.duration(seconds: result.seconds)); \(Formatting.count(result.tokens)) \(measure.noun) at \(Formatting.count(Int((Double(result.tokens) / max(result.stepSeconds, 1e-9)).rounded()))) \(measure.noun)/s"]
        if let deed { lines = ["\(deed) in \(Formatting.duration(seconds: result.seconds))"] }
        if result.steps == 0 { lines = ["nothing to do: the run has all its \(Formatting.count(result.step)) steps"] }
        if let validation = result.lastValidation {
            lines.append("final validation: \(quality(validation.nats, validation.accuracy, measure))")
        }
        if let best = result.best, deed == nil {
            lines.append("best validation:  \(quality(best.validationLoss, best.accuracy, measure)), at step \(Formatting.count(best.step))")
        }
        if result.averagedSteps > 0 {
            lines.append("the model is the average of the weights after each of the last \(Formatting.count(result.averagedSteps)) steps")
        }
        let folder = result.folder.shellWord
        let split = dataset.splits.contains(.test) ? " --split test" : ""
        // `evaluate` refuses an n-gram model for continuations.
        let evaluation = deed != nil && dataset.manifest.task == .continuation ? [] : ["  lockstep evaluate --checkpoint \(folder)\(split)"]
        lines += ["next:"] + evaluation + [
            example(measure, dataset, folder),
            "  lockstep report \(folder)",
        ]
        return lines.joined(separator: "\n")
    }

    /// A command that shows what the model does.
    private static func example(_ measure: LossMeasure, _ dataset: Dataset, _ folder: String) -> String {
        if let values = dataset.manifest.values {
            return "  echo \(Array(repeating: "0.5", count: min(values.inputs, 8)).joined(separator: ","))\(values.inputs > 8 ? ",..." : "") | lockstep score --checkpoint \(folder)"
        }
        return measure == .tokens ? "  lockstep generate --checkpoint \(folder)" : "  echo some words | lockstep score --checkpoint \(folder)"
    }

    /// As in "loss 0.1234 nats, perplexity 1.131", or with the accuracy of labels; of values, "mean squared error 0.015129, root 0.1230".
    private static func quality(_ loss: Double, _ accuracy: Double?, _ measure: LossMeasure) -> String {
        if let root = measure.root(loss) { return "\(measure.unit) \(Formatting.fixed(loss, decimals: 6)), root \(Formatting.fixed(root, decimals: 4))" }
        let beside = accuracy.map { "accuracy \(Formatting.fixed(100 * $0, decimals: 2)) %" }
            ?? measure.perplexity(loss).map { "perplexity \(Formatting.fixed($0, decimals: 3))" }
        return (["loss \(Formatting.fixed(loss, decimals: 4)) nats"] + [beside].compactMap(\.self)).joined(separator: ", ")
    }
}

/// The command line as typed, without --dry-run.
enum Invocation {
    static var text: String { Arguments.all.filter { $0 != "--dry-run" }.map(\.shellWord).joined(separator: " ") }
}
