/// How gradients are sent between machines; on one machine, nothing is sent. The initial values are a configuration's defaults.
package struct ExchangePlan: Sendable, Equatable {
    /// Whether each layer's gradients are sent as soon as they are complete, while the backward pass continues.
    package var overlap = true
    /// Whether only those rows of an untied embedding are sent that a step has read.
    package var sparse = true
    package var wire = WireFormat.float32

    package init() {}
}
