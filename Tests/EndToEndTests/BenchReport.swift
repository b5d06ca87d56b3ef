import Foundation

/// Some of what `bench --json` prints.
struct BenchReport: Decodable {
    struct Splits: Decodable {
        struct Point: Decodable {
            let cores: Int
            let streams: Double?
            let units: Double
        }
        let measuredStreams: Double?
        let measuredUnits: Double
        let meetingSeconds: Double
        let meetingsPerStep: Int
        let points: [Point]
    }
    let splits: Splits?
    struct Hardware: Decodable {
        let ranks: Int
        let machines: Int
        let peakPerCore: Double
        let cachedProductPerCore: Double
    }
    struct Step: Decodable {
        let measured: Int
        let tokens: Int
        let medianSeconds: Double
        let bestSeconds: Double
        let meanSeconds: Double
        let tokensPerSecond: Double
        let productOperations: Int
        let operationsPerSecond: Double
        let shareOfPeak: Double
        let shareOfCachedProduct: Double
        let tokensPerSecondAtPeak: Double
        let allocationsPerStep: Double?
        let ownAllocationsPerStep: Double?
        let peakMemoryBytes: Int?
        let secondsToFirstStep: Double?
        let medianSecondsAlone: Double?
        let bestSecondsAlone: Double?
        let efficiency: Double?
        let efficiencyOfBest: Double?
    }
    struct Phase: Decodable {
        let name: String
        let meanSeconds: Double
        let productOperations: Int
        let operationsPerSecond: Double?
    }
    struct Rank: Decodable {
        let rank: Int
        let streams: Int
        let meanStepSeconds: Double
        let computeSeconds: Double
    }
    struct Exchange: Decodable {
        struct Sum: Decodable {
            let bytes: Int
            let modelSeconds: Double
        }
        struct Check: Decodable {
            let predictedSeconds: Double
            let measuredSeconds: Double
            let error: Double
        }
        let gradientBytes: Int
        let sentBytes: Int
        let stepsShareMemory: Bool
        let sums: [Sum]
        let check: Check
    }
    struct Scaling: Decodable {
        struct Point: Decodable {
            let machines: Int
            let stepSeconds: Double
            let sentBytes: Int
            let efficiency: Double
        }
        let machineSeconds: Double
        let points: [Point]
    }
    struct Inference: Decodable {
        let weightBytes: Int
        let boundTokensPerSecond: Double
        let evaluationTokensPerSecond: Double
        let evaluationShare: Double
        let generationTokensPerSecond: Double
        let generationShare: Double
    }
    let hardware: Hardware
    let step: Step
    let phases: [Phase]
    let ranks: [Rank]
    let slowestRank: Int
    let exchange: Exchange?
    let scaling: [Scaling]
    let inference: Inference?

    init(_ json: String) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(BenchReport.self, from: Data(json.utf8))
    }
}
