import Corpus
import Recurrent

extension ValueTable {
    package init(_ file: ValueFile) { self.init(file.base, rows: file.rows, columns: file.columns, of: file) }
}

extension Network {
    /// What the numbers of rows in a sequence's inputs and targets stand for, of a model that reads or predicts values.
    package func take(_ sequences: SequenceStore) {
        inputValues = sequences.inputValues.map { ValueTable($0) }
        targetValues = sequences.targetValues.map { ValueTable($0) }
    }
}
