import Files
public struct TrainingRecord: Sendable { public init(step: Int, epoch: Int, tokens: Int, loss: Double, gradientNorm: Double, learningRate: Double, tokensPerSecond: Double, elapsedSeconds: Double) { self.line = "step \(step) epoch \(epoch) loss \(loss) norm \(gradientNorm) lr \(learningRate) tok/s \(tokensPerSecond)" }; var line: String }
public struct ValidationRecord: Sendable { public init(step: Int, epoch: Int, tokens: Int, loss: Double) { line = "valid step \(step) loss \(loss) \(tokens)" }; var line: String }
public protocol TrainingReporter: AnyObject { func trained(_ r: TrainingRecord); func validated(_ r: ValidationRecord); func saved(step: Int, folder: String, isBest: Bool); func note(_ t: String); func warning(_ t: String) }
public final class RunReporter: TrainingReporter {
 public init(metricsPath: String, resumingAfter: Int) throws {}
 public func trained(_ r: TrainingRecord) { StandardStream.error.write(r.line + "\n") }
 public func validated(_ r: ValidationRecord) { StandardStream.error.write(r.line + "\n") }
 public func saved(step: Int, folder: String, isBest: Bool) { StandardStream.error.write("saved \(folder) \(isBest)\n") }
 public func note(_ t: String) { StandardStream.error.write(t + "\n") }
 public func warning(_ t: String) { StandardStream.error.write("warning: " + t + "\n") }
 public func finish() {}
}
public func grouped(_ n: Int) -> String { "\(n)" }
public func bytes(_ n: Int) -> String { "\(n >> 20) MiB" }
public func duration(_ s: Double) -> String { "\(s) s" }
