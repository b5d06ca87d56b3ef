/// A tensor to be written: name, shape and access to its bytes, which are not copied.
package struct NamedTensor {
    package let name: String
    /// Row-major.
    package let shape: [Int]
    let type: ElementType
    let byteCount: Int
    let withBytes: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void

    init(
        name: String, shape: [Int], type: ElementType,
        withBytes: @escaping ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) {
        self.name = name
        self.shape = shape
        self.type = type
        self.byteCount = shape.reduce(type.size, *)
        self.withBytes = withBytes
    }

    /// - Parameter withElements: calls what it is given with as many elements as the shape has.
    package init<Element: TensorElement>(
        _ name: String, shape: [Int],
        withElements: @escaping ((UnsafeBufferPointer<Element>) throws -> Void) throws -> Void
    ) {
        self.init(name: name, shape: shape, type: Element.elementType) { body in
            try withElements { elements in
                precondition(shape.reduce(1, *) == elements.count, "\(name): shape \(shape) for \(elements.count) elements")
                try body(UnsafeRawBufferPointer(elements))
            }
        }
    }

    package init<Element: TensorElement>(_ name: String, shape: [Int], _ elements: [Element]) {
        precondition(shape.reduce(1, *) == elements.count, "\(name): shape \(shape) for \(elements.count) elements")
        self.init(name: name, shape: shape, type: Element.elementType) { body in
            try elements.withUnsafeBytes(body)
        }
    }
}
