import Corpus

/// What a run on whole sequences reads.
package struct TrainingSequences: Sendable {
    package let training: SequenceStore
    /// Nil if the dataset has no such part, or if its text is read in streams.
    package let validation: SequenceStore?

    package init(training: SequenceStore, validation: SequenceStore?) {
        self.training = training
        self.validation = validation
    }
}
