/// What a training run tells the world. Only rank 0 has one.
public protocol TrainingReporter: AnyObject {
    func trained(_ record: TrainingRecord)
    func validated(_ record: ValidationRecord)
    func saved(step: Int, folder: String, isBest: Bool)
    func note(_ message: String)
    func warning(_ message: String)
    /// The run is over, for whatever reason.
    func finished()
}
