/// What is asked of a run from outside while it trains, as by signals. Each rank has one; what one rank is asked for, all do.
package protocol RunRequests: AnyObject {
    /// Whether a checkpoint was asked for since the last call. Called before each step.
    func takeSave() -> Bool
    /// Whether the run is to stop with a checkpoint. Asked before each step, and again and again during a validation.
    var isStopping: Bool { get }
}
