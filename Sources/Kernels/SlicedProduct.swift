/// A packed product of which a rank computes some outputs: slices of the columns of `c`.
package struct SlicedProduct {
    private let slices: Slices
    private let transposed: Bool
    private let products: [PackedProduct]  // one for each slice

    /// Floats that packed weights take. In floating point, where no size overflows.
    package static func count(inputs: Int, outputs slices: Slices) -> Double {
        slices.isEmpty ? 0 : Double(slices.blocks) * PackedProduct.count(inputs: inputs, outputs: slices.units.count)
    }

    /// As `PackedProduct` of `slices.width` outputs, of which it computes only the slices.
    /// - Throws: `VectorsError`; what `packing` throws.
    package init(
        rows: Int, inputs: Int, outputs slices: Slices, inputStride: Int? = nil, outputStride: Int? = nil, transposed: Bool,
        accumulate: Bool, packing: Packing = .alone
    ) throws {
        self.slices = slices
        self.transposed = transposed
        products = try (0..<(slices.isEmpty ? 0 : slices.blocks)).map { _ in
            try PackedProduct(
                rows: rows, inputs: inputs, outputs: slices.units.count, inputStride: inputStride,
                outputStride: outputStride ?? slices.width, transposed: transposed, accumulate: accumulate, packing: packing)
        }
    }

    /// - Parameter weights: of all outputs, [k, n], or [n, k] if `transposed`; read only during this call.
    package func pack(_ weights: Matrix) {
        for (index, product) in products.enumerated() {
            let (first, count) = (index * slices.stride + slices.units.lowerBound, slices.units.count)
            product.pack(transposed ? weights.rows(first, count: count) : weights.columns(first, count: count))
        }
    }

    /// - Parameters:
    ///   - a: [rows, k].
    ///   - c: [rows, n], of which the slices are written.
    /// - Throws: `KernelError`.
    package func run(_ a: UnsafePointer<Float>, into c: UnsafeMutablePointer<Float>, rows: Int) throws {
        let backwards = products.first?.backwards ?? false
        for place in products.indices {
            let index = backwards ? products.count - 1 - place : place
            try products[index].run(a, into: c + index * slices.stride + slices.units.lowerBound, rows: rows)
        }
    }
}
