import CProducts
import Diagnostics
import Glibc

/// The instructions that compute products, cells and softmax. All give the same bytes (docs/products.md); they differ in speed.
package enum Vectors: String, CaseIterable, Sendable {
    /// Plain code, for every processor.
    case portable
    case avx2
    case avx512

    /// The manufacturers' spelling.
    package var name: String {
        switch self {
        case .portable: "portable"
        case .avx2: "AVX2"
        case .avx512: "AVX-512"
        }
    }

    /// Whether this processor has these instructions.
    package var isAvailable: Bool { kernels != nil }

    /// The instructions that this processor has, the fastest last.
    package static var available: [Vectors] { allCases.filter(\.isAvailable) }

    /// `LOCKSTEP_VECTORS`, or the fastest instructions of this processor.
    /// - Throws: `VectorsError`.
    package static var chosen: Vectors { get throws(VectorsError) { try choice.get() } }

    private static let choice = Result<Vectors, VectorsError> {
        () throws(VectorsError) in
        let environment = getenv(VectorsError.variable).map { String(cString: $0) }
        guard let environment, !environment.isEmpty else { return available.last! }
        guard let vectors = Vectors(rawValue: environment), vectors.isAvailable else { throw VectorsError(found: environment) }
        return vectors
    }

    /// `chosen`; portable code if the environment asks for instructions that do not exist. Such a process has ended with the error of
    /// `Arithmetic.prepare` before it computes anything that matters.
    package static let active = (try? choice.get()) ?? .portable

    /// Nil if this processor lacks the instructions.
    var kernels: OpaquePointer? {
        switch self {
        case .portable: Vectors.found.portable
        case .avx2: Vectors.found.avx2
        case .avx512: Vectors.found.avx512
        }
    }

    /// Looked up once, because this allocates.
    nonisolated(unsafe) private static let found = (
        portable: lockstep_kernels_named("portable"), avx2: lockstep_kernels_named("avx2"), avx512: lockstep_kernels_named("avx512")
    )

    /// The loops of the cells, of the softmax and of dropout. This processor must have the instructions.
    var cells: lockstep_cells { lockstep_cells_of(available).pointee }
    var softmax: lockstep_softmax { lockstep_softmax_of(available).pointee }
    var mask: @convention(c) (
        UnsafePointer<Float>?, Int, UnsafeMutablePointer<Float>?, Int, Int, Int, UInt32, Float, UnsafePointer<UInt32>?, UnsafePointer<UInt32>?
    ) -> Void { lockstep_mask_of(available) }

    private var available: OpaquePointer {
        guard let kernels else { preconditionFailure("a processor without \(self)") }
        return kernels
    }
}

/// `LOCKSTEP_VECTORS` names instructions that do not exist, or that this processor lacks.
package struct VectorsError: DiagnosedError {
    package static let variable = "LOCKSTEP_VECTORS"
    package let found: String

    package var kind: FailureKind { .usage }
    package var diagnosis: Diagnosis {
        let reason =
            Vectors(rawValue: found) == nil ? "no instruction set of that name" : "this processor does not have these instructions"
        return Diagnosis(
            reason, location: VectorsError.variable, expected: alternatives(Vectors.available.map(\.rawValue)),
            found: found, remedy: "unset \(VectorsError.variable), and lockstep uses the fastest")
    }
}
