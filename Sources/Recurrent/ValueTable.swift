/// Rows of real numbers that a network reads or predicts. A batch names them by their numbers, as it names words by their ids.
package struct ValueTable {
    /// [rows, columns], row-major.
    package let base: UnsafePointer<Float>
    package let rows: Int
    package let columns: Int
    /// Holds the memory.
    private let owner: AnyObject

    package init(_ base: UnsafePointer<Float>, rows: Int, columns: Int, of owner: AnyObject) {
        (self.base, self.rows, self.columns, self.owner) = (base, rows, columns, owner)
    }

    func row(_ index: Int32) -> UnsafePointer<Float> {
        precondition(index >= 0 && Int(index) < rows)
        return base + Int(index) * columns
    }

    /// Whether the row is one of NaN: nothing was measured.
    func isAbsent(_ index: Int32) -> Bool { row(index)[0].isNaN }
}

extension Network {
    /// What inputs are numbers of, in a model that reads values; to be set before `forward`.
    package var inputValues: ValueTable? {
        get { (encoder as? ValueEncoder)?.table }
        set { (encoder as? ValueEncoder)?.table = newValue }
    }

    /// What targets are numbers of, in a model that predicts values; to be set before `loss`.
    package var targetValues: ValueTable? {
        get { (head as? ValueHead)?.table }
        set { (head as? ValueHead)?.table = newValue }
    }
}
