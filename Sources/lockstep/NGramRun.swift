import Checkpoints
import Collectives
import Corpus
import Diagnostics
import Files
import Inference
import NGram
import Reporting
import Training

/// A run of an n-gram model, ready to start on all ranks together.
struct NGramRun {
    private let beginning: RunBeginning
    private let trainer: NGramTrainer
    private let folder: RunFolder

    /// Collective. Finds all errors before the run folder is touched.
    init(_ beginning: RunBeginning) throws {
        self.beginning = beginning
        let (communicator, data) = (beginning.communicator, beginning.data)
        let model = try communicator.together("planning the run") { try NGramRun.plan(beginning) }
        let ignored = beginning.configuration.ignoredByNGrams
        if !ignored.isEmpty { beginning.note("an n-gram model ignores \(ignored.joined(separator: ", "))") }

        folder = try RunFolder(beginning, parameters: 0, totalSteps: 1, totalEpochs: 1)
        trainer = NGramTrainer(
            model, communicator: communicator, training: data.training, validation: data.validation, identity: beginning.identity(),
            heartbeat: beginning.heartbeat, reporter: folder.reporter, note: beginning.note)

        folder.say(NGramRun.summary(model, beginning, try Placement(communicator, threads: 1)))
    }

    /// The model that a configuration describes for a dataset.
    private static func plan(_ beginning: RunBeginning) throws -> NGramPlan {
        let (command, vocabulary) = (beginning.command, beginning.data.dataset.vocabulary)
        for (option, value) in [("--init-from", command.initFrom), ("--init-embeddings", command.initEmbeddings)] where value != nil {
            throw UsageError("an n-gram model starts without weights", location: option, remedy: "leave it out")
        }
        let dataset = beginning.data.dataset
        guard dataset.manifest.values == nil else {
            throw UsageError(
                "an n-gram model counts words, and the dataset has numbers", location: "model.cell", expected: "a neural network",
                found: "ngram with \(dataset.folder)", remedy: "set model.cell to another, or name a text with --data")
        }
        for word in [ARPAFile.begin, ARPAFile.end] where vocabulary.level.isSpaced && vocabulary.id(spelled: word) != nil {
            throw UsageError(
                "the vocabulary has a token \(word), which n-gram models use for the \(word == ARPAFile.begin ? "start" : "end") of a line",
                location: beginning.data.dataset.vocabularyPath,
                remedy: "remove \(word) from the text (lockstep prepare marks the ends of lines itself), and prepare it again")
        }
        return NGramPlan(
            order: beginning.configuration.model.order,
            wordSet: WordSet(
                vocabularySize: vocabulary.count, lineEnd: vocabulary.lineEnd, unknown: vocabulary.unknown.map { Int32($0) })
        ) { Array(vocabulary.symbol($0).utf8) }
    }

    private static func summary(_ model: NGramPlan, _ beginning: RunBeginning, _ placement: Placement) -> String {
        let (plan, data) = (beginning.plan, beginning.data)
        let validation = data.validation.map { ", \(Formatting.count($0.count)) to validate" } ?? ", none to validate"
        let most = NGramCounts.memory(tokens: data.training.count, order: model.order, ranks: placement.ranksHere)
        var rows = [
            ("model", "\(model.order)-gram, interpolated modified Kneser-Ney, vocabulary \(Formatting.count(model.wordSet.vocabularySize))"),
            ("data", "\(data.dataset.folder): \(Formatting.count(data.training.count)) tokens (\(data.dataset.vocabulary.level.rawValue)s)\(validation)"),
            ("ranks", placement.ranksText),
            ("cores", placement.binding),
            ("run folder", plan.folder),
        ]
        if let use = placement.memory(ofRanks: { most * $0 }) {
            rows.insert(("memory", "at most \(Formatting.bytes(most)) per rank; \(Formatting.bytes(use.free)) of \(Formatting.bytes(use.total)) are free"), at: 4)
        }
        if let warning = placement.warning { rows.append(("warning", warning)) }
        return rows.map { name, value in name + String(repeating: " ", count: 12 - name.count) + value }.joined(separator: "\n")
    }

    /// Collective. Estimates the model, and reports how the run ended.
    /// - Returns: false if it stopped on request.
    func train() throws -> Bool {
        defer { folder.reporter?.finished() }
        if let checkpoint = beginning.plan.checkpoint {
            folder.end(
                finished: true, step: checkpoint.manifest.step, "nothing to do: the model is complete, in \(checkpoint.folder)")
            return true
        }
        let requests = SignalledRequests { [folder] in folder.reporter?.note("stopping; another Ctrl-C ends at once") }
        let result = try trainer.run(requests)
        folder.end(finished: result.finished, step: result.step, lastWords(result))
        return result.finished
    }

    private func lastWords(_ result: TrainingResult) -> String {
        guard result.finished else {
            return "\(result.folder): stopped on request before the model was complete; start the same command again"
        }
        let deed = "estimated from \(Formatting.count(result.tokens)) tokens"
        return RunSummary.ending(result, dataset: beginning.data.dataset, deed: deed)
    }
}
