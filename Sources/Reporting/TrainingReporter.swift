/// Receives what a training run reports. Only rank 0 has one.
package protocol TrainingReporter: AnyObject {
    func trained(_ record: TrainingRecord)
    /// - Parameter share: of the validation part, 0 to 1.
    func validating(share: Double)
    func validated(_ record: ValidationRecord)
    func sampled(_ record: SampleRecord)
    func measured(_ record: GradientFlowRecord)
    /// A checkpoint is about to be written: everything reported so far must become as durable as the checkpoint.
    func saving()
    func saved(step: Int, folder: String, isBest: Bool)
    func note(_ message: String)
    func warning(_ message: String)
    /// The run is over, for whatever reason.
    func finished()
}

extension TrainingReporter {
    package func validating(share: Double) {}
    package func measured(_ record: GradientFlowRecord) {}
}
