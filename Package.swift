// swift-tools-version: 6.1
import PackageDescription

// The level of x86-64 that the hand-vectorised Swift (dropout, norms, optimizer) is compiled for. 3: AVX2 and FMA. Raise it to 4
// for a cluster whose processors all have AVX-512, lower it to 2 for processors without AVX2 (slower). Products, gates and softmax
// pick their instructions at run time.
let level = 3
#if arch(x86_64)
let processor = ["-Xcc", level == 1 ? "-march=x86-64" : "-march=x86-64-v\(level)"]
#else
let processor: [String] = []
#endif
// The MPI to build for: openmpi, mpich, or pkg-config's name of another of MPICH's family (Intel's is impi). `launch/setup --mpi`
// sets it, and builds for MPICH in .build-mpich.
let mpi = Context.environment["LOCKSTEP_BUILD_MPI"].flatMap { $0.isEmpty ? nil : $0 } ?? "openmpi"
let vectorised: [SwiftSetting] = [.unsafeFlags(processor)]
// Products in debug builds, too: without optimisation they take a hundred times as long.
let optimised = ["-O3"]
// Lets tests see internal declarations in release builds too, so that they run against the objects that users run.
let testable: [SwiftSetting] = [.unsafeFlags(["-enable-testing"])]

let package = Package(
    name: "lockstep",
    products: [.executable(name: "lockstep", targets: ["lockstep"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // System libraries
        .systemLibrary(
            name: "CMPI", pkgConfig: mpi == "openmpi" ? "ompi-c" : mpi, providers: [.apt(["libopenmpi-dev"]), .apt(["libmpich-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "CMPIShim", dependencies: ["CMPI"]),
        .target(name: "CBenchmarkShim"),
        .target(name: "CProcessor", cSettings: [.define("LOCKSTEP_PROCESSOR_LEVEL", to: "\(level)")]),

        // Bottom layer: errors that explain themselves, checked file operations
        .target(name: "Diagnostics"),
        .target(name: "Files", dependencies: ["Diagnostics", "COpenSSL", "CZlib"], swiftSettings: testable),
        // What the kernel says of machine and process
        .target(name: "Platform", dependencies: ["Files", "Diagnostics", "CProcessor"]),

        // exp, log, pow and cos with the same bits everywhere
        .target(name: "Elementary"),
        // Counter-based random numbers: the same for every rank count
        .target(name: "Randomness", dependencies: ["Elementary"]),

        // Arithmetic
        .target(name: "CProducts", cSettings: [.unsafeFlags(optimised)]),
        .target(name: "Kernels", dependencies: ["Diagnostics", "Elementary", "Randomness", "CProducts"], swiftSettings: vectorised),
        .target(name: "Recurrent", dependencies: ["Kernels", "Randomness", "Elementary", "Diagnostics"], swiftSettings: vectorised),
        .target(name: "Optimization", dependencies: ["Recurrent", "Kernels", "Elementary", "Diagnostics"], swiftSettings: vectorised),

        // Data, files, communication
        .target(name: "Corpus", dependencies: ["Files", "Randomness", "Diagnostics"], swiftSettings: testable),
        .target(name: "Collectives", dependencies: ["Diagnostics"]),
        .target(
            name: "MPITransport", dependencies: ["Collectives", "CMPIShim", "Diagnostics"],
            swiftSettings: mpi == "openmpi" ? [] : [.define("MPICH")]),
        .target(name: "Checkpoints", dependencies: ["Files", "Diagnostics"], swiftSettings: testable),
        .target(
            name: "Configuration",
            dependencies: ["Optimization", "Recurrent", "Collectives", "Files", "Diagnostics", .product(name: "Yams", package: "Yams")]),
        .target(
            name: "Reporting",
            dependencies: [
                "Files", "Elementary", "Diagnostics", .product(name: "Logging", package: "swift-log"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            exclude: ["Events/events.proto"], swiftSettings: testable),
        // Records in, a page out
        .target(name: "Report", dependencies: ["Reporting", "Diagnostics"], swiftSettings: testable),

        // n-gram models: counting, Kneser-Ney, ARPA files
        .target(name: "NGram", dependencies: ["Corpus", "Collectives", "Elementary", "Files", "Diagnostics"]),
        // A trained model at work: evaluate, score, generate, complete; its file
        .target(
            name: "Inference",
            dependencies: [
                "Recurrent", "NGram", "Checkpoints", "Corpus", "Collectives", "Reporting", "Kernels", "Randomness", "Elementary", "Diagnostics",
            ],
            swiftSettings: vectorised),
        .target(
            name: "Training",
            dependencies: [
                "Inference", "Recurrent", "NGram", "Optimization", "Checkpoints", "Corpus", "Collectives", "Reporting", "Kernels",
                "Platform", "Files", "Randomness", "Elementary", "Diagnostics",
            ],
            swiftSettings: vectorised),
        // A model as other programs' files
        .target(
            name: "ModelExport",
            dependencies: ["Recurrent", "Kernels", "Files", "Diagnostics", .product(name: "SwiftProtobuf", package: "swift-protobuf")],
            exclude: ["onnx.proto"], swiftSettings: testable),
        // Measures: machine, training step, exchange
        .target(
            name: "Benchmark",
            dependencies: [
                "Training", "Inference", "Recurrent", "Corpus", "Collectives", "Kernels", "Platform", "Files", "Randomness",
                "Diagnostics", "CBenchmarkShim",
            ]),
        // Looks at machines and ranks; judges what it sees
        .target(
            name: "Doctor",
            dependencies: ["Benchmark", "Collectives", "Reporting", "Kernels", "Platform", "Files", "Diagnostics"],
            swiftSettings: testable),
        .executableTarget(
            name: "lockstep",
            dependencies: [
                "Benchmark", "Doctor", "Training", "Inference", "ModelExport", "Recurrent", "NGram", "Optimization", "Checkpoints",
                "Corpus", "Collectives", "MPITransport", "Configuration", "Reporting", "Report", "Kernels", "Platform", "Files", "Randomness", "Elementary",
                "Diagnostics", "CProcessor",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ]),

        // Tests mirror Sources
        .target(
            name: "TestSupport", dependencies: ["Collectives", "Randomness", "Diagnostics", "CZlib"], path: "Tests/TestSupport"),
        .testTarget(name: "DiagnosticsTests", dependencies: ["Diagnostics"]),
        .testTarget(name: "PlatformTests", dependencies: ["Platform", "TestSupport"]),
        .testTarget(name: "ElementaryTests", dependencies: ["Elementary", "Randomness"]),
        .testTarget(name: "RandomnessTests", dependencies: ["Randomness"]),
        .testTarget(name: "CorpusTests", dependencies: ["Corpus", "Randomness", "Files", "Diagnostics", "TestSupport"]),
        .testTarget(
            name: "CheckpointsTests", dependencies: ["Checkpoints", "Files", "Diagnostics", "TestSupport"]),
        .testTarget(name: "ConfigurationTests", dependencies: ["Configuration", "Randomness", "Diagnostics", "TestSupport"]),
        .testTarget(
            name: "ReportingTests",
            dependencies: [
                "Reporting", "Files", "Diagnostics", "TestSupport", .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ]),
        .testTarget(name: "ReportTests", dependencies: ["Report", "Reporting"]),
        .testTarget(name: "CollectivesTests", dependencies: ["Collectives", "Diagnostics", "TestSupport"]),
        .testTarget(name: "KernelsTests", dependencies: ["Kernels", "Diagnostics", "Randomness", "TestSupport"]),
        .testTarget(
            name: "RecurrentTests", dependencies: ["Recurrent", "Kernels", "Randomness", "TestSupport"],
            resources: [.copy("Fixtures")]),
        .testTarget(name: "OptimizationTests", dependencies: ["Optimization", "Recurrent", "Kernels", "TestSupport"]),
        .testTarget(
            name: "NGramTests", dependencies: ["NGram", "Corpus", "Collectives", "Files", "Diagnostics", "TestSupport"]),
        .testTarget(
            name: "InferenceTests",
            dependencies: [
                "Inference", "Recurrent", "NGram", "Checkpoints", "Corpus", "Collectives", "Kernels", "Files", "Randomness",
                "Diagnostics", "TestSupport",
            ],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "TrainingTests",
            dependencies: [
                "Training", "Inference", "Recurrent", "NGram", "Optimization", "Checkpoints", "Corpus", "Collectives", "Reporting",
                "Kernels", "Platform", "Files", "Randomness", "Diagnostics", "TestSupport",
            ],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "ModelExportTests", dependencies: ["ModelExport", "Inference", "Recurrent", "Kernels", "Randomness", "TestSupport"]),
        .testTarget(name: "BenchmarkTests", dependencies: ["Benchmark", "Recurrent", "Kernels", "Collectives", "Files", "TestSupport"]),
        .testTarget(name: "DoctorTests", dependencies: ["Doctor", "Platform", "Collectives", "TestSupport"]),
        // One rank of the transport's tests under mpirun.
        .executableTarget(
            name: "mpi-conformance", dependencies: ["MPITransport", "Collectives", "Diagnostics", "TestSupport"],
            path: "Tests/MPIConformance"),
        // Reads damaged files with every parser.
        .executableTarget(
            name: "lockstep-fuzz",
            dependencies: [
                "Corpus", "Checkpoints", "Configuration", "Training", "Inference", "Recurrent", "NGram", "Reporting", "Report", "Files",
                "Kernels", "Randomness", "Diagnostics", "TestSupport",
            ],
            path: "Tests/Fuzz"),
        // Drives the built `lockstep` binary as a user does, alone and under a real mpirun.
        .testTarget(name: "EndToEndTests", dependencies: ["lockstep", "mpi-conformance", "lockstep-fuzz", "Configuration", "Reporting", "Files", "Checkpoints", "TestSupport"]),
    ],
    swiftLanguageModes: [.v6]
)
