import Configuration
import Testing

/// Settings that are valid one by one, but not together.
@Suite struct ContradictionTests {
    @Test(arguments: [
        (
            "model: {cell: gru, gates: [input]}",
            "model.gates does not fit the other settings; expected [input, forget, output], or model.cell lstm, found [input] with gru"
        ),
        (
            "model: {cell: elman, peepholes: diagonal}",
            "model.peepholes does not fit the other settings; expected none, or model.cell lstm, found diagonal with elman"
        ),
        (
            "model: {bidirectional: true}",
            "model.bidirectional does not fit the other settings; expected false in a model that predicts the next token: a layer that reads from the end would see it, found true"
        ),
        (
            "model: {bidirectional: true, embedding: 10, hidden: 10, connections: residual}",
            "model.connections does not fit the other settings; expected model.embedding equal to twice every model.hidden for residual, found 10 and 10"
        ),
        (
            "model: {tied: true, embedding: 10, hidden: 20}",
            "model.tied does not fit the other settings; expected model.embedding equal to model.hidden, found 10 and 20"
        ),
        (
            "model: {tied: true, embedding: 10, hidden: [10, 20]}",
            "model.tied does not fit the other settings; expected model.embedding equal to the last of model.hidden, found 10 and [10, 20]"
        ),
        (
            "model: {tied: true, embedding: 10, hidden: 10, connections: dense}",
            "model.tied does not fit the other settings; expected false with model.connections dense, where the output layer reads more than one layer, found true"
        ),
        (
            "model: {tied: true, embedding: 8, hidden: 8, softmax: {name: adaptive}}",
            "model.tied does not fit the other settings; expected false with model.softmax.name adaptive, whose tails are narrower than the embedding, found true"
        ),
        (
            "model: {softmax: {cutoffs: [10]}}",
            "model.softmax.cutoffs does not fit the other settings; expected auto, or model.softmax.name adaptive, found [10] with full"
        ),
        (
            "model: {softmax: {divisor: 2}}",
            "model.softmax.divisor does not fit the other settings; expected 4, or model.softmax.name adaptive, found 2 with full"
        ),
        (
            "model: {softmax: {name: adaptive, samples: 9}}",
            "model.softmax.samples does not fit the other settings; expected 500, or model.softmax.name sampled, found 9 with adaptive"
        ),
        (
            "model: {hidden: 20, softmax: {name: adaptive, cutoffs: [10, 20, 30]}}",
            "model.softmax.divisor does not fit the other settings; expected a number of which the power 3 is at most 20, the width of what the output layer reads: or the last tail has no values, found 4 for 3 tails"
        ),
        (
            "model: {hidden: [10, 20, 30]}",
            "model.hidden does not fit the other settings; expected one number, or one for each of model.layers 2, found [10, 20, 30]"
        ),
        (
            "model: {embedding: 10, hidden: [10, 20], connections: highway}",
            "model.connections does not fit the other settings; expected model.embedding equal to every model.hidden for highway, found 10 and [10, 20]"
        ),
        (
            "training: {clip: {norm: 1, value: 2}}",
            "training.clip does not fit the other settings; expected norm or value, found both norm 1 and value 2"
        ),
        (
            "model: {activation: relu}",
            "model.activation does not fit the other settings; expected tanh, or model.cell elman or window, found relu with lstm"
        ),
        (
            "model: {window: 3}",
            "model.window does not fit the other settings; expected null, or model.cell window, found 3 with lstm"
        ),
        (
            "model: {normalization: layer, peepholes: diagonal}",
            "model.normalization does not fit the other settings; expected none, or an LSTM with all gates and no peepholes, found layer with model.gates [input, forget, output], model.peepholes diagonal"
        ),
        (
            "model: {cell: window}",
            "model.window does not fit the other settings; expected a number of inputs for model.cell window, found null with window"
        ),
        (
            "training: {streams: 12, reproducible_shards: 5}",
            "training.reproducible_shards does not fit the other settings; expected a divisor of training.streams 12: 1, 2, 3, 4, 6 or 12, found 5"
        ),
        (
            "training: {optimizer: {nesterov: true}}",
            "training.optimizer.nesterov does not fit the other settings; expected training.optimizer.name momentum, found adam"
        ),
        (
            "training: {schedule: {warmup_steps: 10}}",
            "training.schedule.warmup_steps does not fit the other settings; expected training.schedule.name cosine, found decay"
        ),
        (
            "training: {schedule: {minimum: 1}}",
            "training.schedule.minimum does not fit the other settings; expected at most the learning rate 0.002, found 1"
        ),
        (
            "model: {cell: window, window: 3, weight_drop: 0.5}",
            "model.weight_drop does not fit the other settings; expected 0 with model.cell window, which has no recurrent weights to drop, found 0.5"
        ),
        (
            "training: {optimizer: {name: nt_asgd}}\nvalidation: {every_epoch: false}",
            "training.optimizer.name does not fit the other settings; expected validation.every_epoch or validation.every_steps for nt_asgd, found no validation at all"
        ),
        (
            "training: {schedule: {name: plateau}}\nvalidation: {every_epoch: false}",
            "training.schedule.name does not fit the other settings; expected validation.every_epoch or validation.every_steps for plateau, found no validation at all"
        ),
    ])
    func contradictions(_ text: String, _ line: String) {
        #expect(refusal(text) == line)
    }

    @Test func contradictionsAreJudgedAfterAllLayers() throws {
        let text = "model: {tied: true, embedding: 10, hidden: 20}"
        #expect(try load(text, overrides: ["model.embedding=20"]).model.embedding == 20)
    }
}
