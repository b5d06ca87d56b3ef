/// Does other work during a backward pass.
package protocol BackwardObserver: AnyObject {
    /// The gradients of group `part` of `ParameterLayout.backwardOrder` are complete.
    func completed(_ part: Int) throws
    /// Called every few milliseconds, to do a little work.
    func pause() throws
}
