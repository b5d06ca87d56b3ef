import Collectives
import Corpus
import Diagnostics
import FoundationEssentials
import Inference
import Kernels
import MPITransport
import Platform
import Reporting

extension StartRecord {
    /// Collective. What this session trains, and where.
    /// - Parameters:
    ///   - parameters: 0 for a model without weights.
    ///   - tokens: numbers of tokens in the training and the validation part.
    ///   - step: the step from which the session starts.
    /// - Throws: transport errors.
    init(
        parameters: Int, totalSteps: Int, dataset: Dataset, tokens: (training: Int, validation: Int?), step: Int,
        _ communicator: any Communicator
    ) throws {
        let hosts = try communicator.allGather(text: Host.name)
        self.init(
            step: step, time: Date.now.ISO8601Format(), program: programVersion, ranks: communicator.size,
            hosts: Dictionary(hosts.map { ($0, 1) }, uniquingKeysWith: +), threadsPerRank: Arithmetic.threads,
            processor: Machine.this.processorName, cores: Machine.this.processorCount,
            libraries: [Arithmetic.products] + (MPISession.isLaunched ? [MPILibrary.version] : []),
            parameters: parameters, totalSteps: totalSteps,
            data: Data(
                folder: dataset.folder, level: dataset.vocabulary.level.rawValue, vocabulary: dataset.vocabulary.count,
                trainingTokens: tokens.training, validationTokens: tokens.validation, hash: dataset.hash))
    }
}

extension SamplePlan {
    /// - Parameter length: the number of tokens; 0 gives nil.
    init?(length: Int, _ vocabulary: Vocabulary) {
        guard length > 0 else { return nil }
        self.init(
            length: length, start: vocabulary.lineStart, excluded: vocabulary.count == 1 ? nil : vocabulary.unknown
        ) { String(decoding: vocabulary.decode($0), as: UTF8.self) }
    }
}
