import Checkpoints
import Collectives
import Corpus
import Files
import Inference
import Optimization
import Recurrent
import TestSupport
import Testing
import Training

/// `training.batching: sentences`: the same run on any number of ranks, resumed anywhere, and of any model of sequences.
@Suite struct SentenceTests {
    enum Kind: String, CaseIterable { case tags, label, pairs, lines, values }

    /// 61 sequences of 1 to 9 tokens, so that the last batch of an epoch is not full.
    private static func data(_ kind: Kind, in folder: String) throws -> Dataset {
        let sentences = (0..<61).map { i in (0..<(i * 7 % 9 + 1)).map { (i * 5 + $0 * $0 * 3 + $0) % 11 } }
        let text = sentences.enumerated().map { i, words -> String in
            let line = words.map { "w\($0)" }.joined(separator: " ")
            return switch kind {
            case .tags: words.map { "w\($0) t\($0 * ($0 + i) % 3)\n" }.joined() + "\n"
            case .label: "l\(words[0] % 3)\t\(line)\n"
            case .pairs: "\(line)\t\(words.reversed().map { "w\($0)" }.joined(separator: " "))\n"
            case .lines: line + "\n"
            case .values: words.map { "\(Double($0) / 11),\($0 % 2),\($0 % 3 == 1 ? "" : "\(Double($0 + i % 5) / 20)")\n" }.joined() + "0.5,1,0.25\n\n"
            }
        }.joined()
        let file = try File.open("\(folder)/text", .write)
        try file.write(text)
        try file.close()
        let writer = try DatasetWriter(DatasetWriter.Options(level: .word))
        let source = TextSource.separate(train: file.path, valid: file.path, test: nil)
        let output = "\(folder)/data"
        switch kind {
        case .values:
            for name in ["train", "valid"] { try File.publish(text, at: "\(folder)/\(name).csv") }
            _ = try writer.write(ValueSource(folder: folder, targets: 1, length: nil), to: output)
        case .lines: _ = try writer.write(source, to: output)
        case .tags: _ = try writer.write(source, format: .columns, to: output)
        case .label: _ = try writer.write(source, format: .labelled, to: output)
        case .pairs: _ = try writer.write(source, format: .pairs, to: output)
        }
        return try Dataset(folder: output)
    }

    /// Batches of 12: six an epoch, in three epochs.
    private static func run(_ kind: Kind, _ folder: String, cell: Cell = .lstm, shards: Int? = nil) throws -> (SmallRun, TrainingSequences) {
        try Folder.create(folder)
        let data = try data(kind, in: folder)
        let sequences =
            kind == .lines
            ? TrainingSequences(
                training: SequenceStore(linesOf: try data.tokens(of: .train), lineEnd: Int32(data.vocabulary.endOfSentence!)), validation: nil)
            : TrainingSequences(training: try data.sequences(of: .train)!, validation: try data.sequences(of: .valid))
        var run = SmallRun(
            cell: cell, vocabulary: data.vocabulary.count, tokens: [0, 1, 2], validation: kind == .lines ? [0, 1, 2, 3, 4, 5] : nil, folder: "\(folder)/run",
            unroll: UnrollPlan(fixed: sequences.training.longest), steps: 18, dropout: 0.3, learningRate: 0.02, layers: 1)
        run.options.model.readsSequences = true
        let labels = data.labels?.count ?? 0
        run.options.model.values = kind == .values ? 2 : nil
        run.options.model.output = kind == .values ? .values(1) : kind == .tags ? .tags(labels: labels) : kind == .label ? .label(labels: labels, pooling: .max) : .next
        run.options.reproducibleShards = shards
        run.options.picksByAccuracy = kind == .label
        return (run, sequences)
    }

    private func train(
        _ kind: Kind, _ folder: String, cell: Cell = .lstm, shards: Int? = nil, ranks: Int = 1, stops: [Int] = []
    ) throws -> (bytes: [String: [UInt8]], losses: [Double], accuracies: [Double?]) {
        let (run, sequences) = try Self.run(kind, folder, cell: cell, shards: shards)
        let recorder = Recorder()
        for (index, stop) in (stops.map(Optional.some) + [nil]).enumerated() {
            _ = try withThreadRanks(ranks) {
                try run.train(on: $0, sequences: sequences, stopAfter: stop, resume: index > 0, reporter: recorder)
            }
        }
        return (
            try run.bytes(ofStep: 18), recorder.training.map(\.loss) + recorder.validation.map(\.loss), recorder.validation.map(\.accuracy)
        )
    }

    @Test(arguments: Kind.allCases) func ranksAgree(kind: Kind) throws {
        try withTemporaryFolder { folder in
            let one = try train(kind, "\(folder)/1")
            #expect(one.losses.count == 21 && (one.accuracies[2] != nil) == (kind == .tags || kind == .label))
            #expect(one.losses[17] < one.losses[0])
            for ranks in [2, 3] {
                let many = try train(kind, "\(folder)/\(ranks)", ranks: ranks)
                for (a, b) in zip(one.losses, many.losses) { #expect(abs(a - b) < 1e-4 * a) }
            }
        }
    }

    @Test(arguments: Kind.allCases, [Cell.lstm, .window]) func shardsAreReproducible(kind: Kind, cell: Cell) throws {
        try withTemporaryFolder { folder in
            let one = try train(kind, "\(folder)/1", cell: cell, shards: 6)
            for ranks in [2, 3] {
                let many = try train(kind, "\(folder)/\(ranks)", cell: cell, shards: 6, ranks: ranks)
                #expect(one.bytes == many.bytes && one.losses == many.losses && one.accuracies == many.accuracies)
            }
        }
    }

    @Test(arguments: Kind.allCases) func resumedRunsEndInTheSameBytes(kind: Kind) throws {
        try withTemporaryFolder { folder in
            let whole = try train(kind, "\(folder)/whole", ranks: 2).bytes
            // Within epochs and at the end of one.
            #expect(try train(kind, "\(folder)/parts", ranks: 2, stops: [2, 4, 5]).bytes == whole)
        }
    }

    /// An epoch has every sequence once, and another order than the one before; the order is the seed's.
    @Test func anEpochReadsEverySequenceOnce() throws {
        try withTemporaryFolder { folder in
            let store = SequenceStore(linesOf: try Self.data(.lines, in: folder).tokens(of: .train), lineEnd: 0)
            func epochs(seed: UInt64, own: Range<Int> = 0..<12) throws -> [[[Int32]]] {
                let batches = try SentenceBatches(store, size: 12, own: own, seed: seed)
                var seen: [[[Int32]]] = [[], []]
                while batches.position.epoch < 2 {
                    let epoch = batches.position.epoch
                    let batch = batches.next(1)
                    for column in 0..<own.count {
                        let targets = (0..<batch.steps).map { batch.targets[$0 * own.count + column] }.filter { $0 >= 0 }
                        if !targets.isEmpty { seen[epoch].append(targets) }
                    }
                }
                return seen
            }
            let all = (0..<store.count).map { store.tokens(of: $0) + [0] }
            let one = try epochs(seed: 1)
            func sorted(_ sequences: [[Int32]]) -> [[Int32]] { sequences.sorted { $0.lexicographicallyPrecedes($1) } }
            #expect(sorted(one[0]) == sorted(all) && sorted(one[1]) == sorted(all))
            #expect(try one[0] != one[1] && epochs(seed: 1) == one && epochs(seed: 2)[0] != one[0])
            let parts = try [0..<5, 5..<12].map { try epochs(seed: 1, own: $0)[0] }
            #expect(sorted(parts[0] + parts[1]) == sorted(all))
        }
    }

    /// The sequences of a batch are about equally long: sorted by length, the next twelve. Their padding predicts nothing and starts from
    /// the zero state at every step.
    @Test func batchesAreOfLikeLengthAndPadded() throws {
        try withTemporaryFolder { folder in
            let store = SequenceStore(linesOf: try Self.data(.lines, in: folder).tokens(of: .train), lineEnd: 0)
            let lengths = (0..<store.count).map { store.length(of: $0) }.sorted()
            let longest = stride(from: 0, to: 61, by: 12).map { lengths[min($0 + 11, 60)] }
            let batches = try SentenceBatches(store, size: 12, own: 0..<12, seed: 1)
            var steps: [Int] = []
            for number in 1...12 {
                let batch = batches.next(number)
                steps.append(batch.steps)
                for column in 0..<12 {
                    let places = (0..<batch.steps).map { $0 * 12 + column }
                    let length = places.count { batch.targets[$0] >= 0 }
                    #expect(places.map { batch.targets[$0] >= 0 } == places.indices.map { $0 < length })
                    #expect(places.map { batch.starts![$0] != 0 } == places.indices.map { $0 == 0 || $0 >= length })
                    #expect(places[length...].allSatisfy { batch.inputs[$0] == 0 })
                }
            }
            #expect(steps[..<6].sorted() == longest && steps[6...].sorted() == longest)
            #expect(Array(steps[..<6]) != longest, "long and short ones alternate")
        }
    }

    /// A labeller's choices do not depend on company, and its network is the checkpoint's.
    @Test func labelsAreTheSameAloneAndTogether() throws {
        try withTemporaryFolder { folder in
            for kind in [Kind.tags, .label] {
                _ = try train(kind, "\(folder)/\(kind)")
                let checkpoint = try CheckpointStore(runFolder: "\(folder)/\(kind)/run", keep: 1, note: { _ in }).latest()!
                var summary = checkpoint.manifest.model
                #expect(summary.options?["output"] != nil)
                summary.labels = ["a", "b", "c"]
                let model = try ModelFile.configuration(summary, of: checkpoint.model, place: folder)
                let parameters = Arena(ParameterLayout(model))
                try ModelFile.load(checkpoint.model, into: parameters, model: model)
                let labeller = Labeller(RecurrentPredictor(model, parameters: parameters))
                let sentences: [[Int32]] = (0..<50).map { i in (0..<(i * 7 % 12)).map { Int32((i + $0 * 3) % 11) } }
                let together = try labeller.label(sentences)
                for (sentence, choices) in zip(sentences, together) {
                    #expect(choices.count == (sentence.isEmpty ? 0 : kind == .tags ? sentence.count : 1))
                    #expect(try labeller.label([sentence]) == [choices])
                }
            }
        }
    }
}
