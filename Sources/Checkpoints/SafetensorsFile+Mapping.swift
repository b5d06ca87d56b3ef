extension SafetensorsFile {
    /// The elements of a tensor of one dimension, where they lie in the file; valid as long as this object exists.
    /// - Throws: `SafetensorsError.missingTensor`, `.otherShape`, `.otherType`, `.notAligned`.
    package func mapped<Element: TensorElement>(_ name: String, as type: Element.Type = Element.self) throws -> UnsafeBufferPointer<Element> {
        let tensor = try description(of: name)
        guard tensor.shape.count == 1 else {
            throw SafetensorsError.otherShape(file: path, tensor: name, expected: [tensor.count], found: tensor.shape)
        }
        guard tensor.type == Element.elementType else {
            throw SafetensorsError.otherType(file: path, tensor: name, expected: Element.elementType, found: tensor.type)
        }
        let bytes = bytes(of: tensor)
        guard let base = bytes.baseAddress, tensor.count > 0 else { return UnsafeBufferPointer(start: nil, count: 0) }
        guard Int(bitPattern: base) % MemoryLayout<Element>.alignment == 0 else {
            throw SafetensorsError.notAligned(file: path, tensor: name)
        }
        return UnsafeBufferPointer(start: base.assumingMemoryBound(to: Element.self), count: tensor.count)
    }
}
