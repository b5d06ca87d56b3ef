/// Numbers that never change, in memory of their own or mapped from a file.
///
/// Unchecked because of the pointer; what it points to never changes.
package struct Column<Element: BitwiseCopyable>: @unchecked Sendable {
    /// Keeps the memory alive.
    private let owner: AnyObject
    package let elements: UnsafeBufferPointer<Element>

    /// - Parameter owner: what the memory belongs to.
    package init(_ elements: UnsafeBufferPointer<Element>, owner: AnyObject) {
        self.elements = elements
        self.owner = owner
    }

    package init(_ values: [Element]) {
        let memory = Memory(values)
        self.init(UnsafeBufferPointer(memory.elements), owner: memory)
    }

    package var count: Int { elements.count }

    /// The caller has shown that `index` is in range: `NGramModel` checks every number of a file once, when it is opened.
    @inline(__always)
    subscript(_ index: Int) -> Element { elements.baseAddress.unsafelyUnwrapped[index] }

    private final class Memory {
        let elements: UnsafeMutableBufferPointer<Element>

        init(_ values: [Element]) {
            elements = .allocate(capacity: values.count)
            _ = elements.initialize(fromContentsOf: values)
        }

        deinit { elements.deallocate() }
    }
}
