// What the cells compute between their products: gates and states of one time step, forward and backward.
//
// A function works on `rows` rows, one for each stream (B), of `size` units (H): on the first `count` units from where its
// arguments point. In a matrix [B, G H] a row has the G gates side
// by side. Each element is one sequence of IEEE operations, whatever the instructions: all give the same bytes. The layers in
// Sources/Recurrent have the equations, docs/mathematics.md derives the backward passes.
#ifndef LOCKSTEP_CELLS_H
#define LOCKSTEP_CELLS_H

// The nonlinearity g of cells that leave the choice.
typedef enum { LOCKSTEP_TANH, LOCKSTEP_SIGMOID, LOCKSTEP_RELU } lockstep_activation;

// Backward passes: `above` and `passed` are dL/dh from the layer above and, by way of the recurrent product, from the next step.
typedef struct lockstep_cells {
    // LSTM, gates i f g o [B, 4H]. Pre-activations, still without bias [4H], become gates; c before the step gives c and h
    // after it [B, H]. `peepholes` are p_i p_f p_o [3, H], or NULL; `hidden` is NULL if h is not made of c alone.
    void (*lstm)(long rows, long size, long count, float *gates, const float *bias, const float *peepholes, const float *before,
                 float *after, float *hidden);
    // Gates become dL/d(pre-activation); `cell`, dL/dc from the next step, becomes that for the step before. With peepholes,
    // `products` [B, 3H] gets each row's share of their gradients.
    void (*lstm_backward)(long rows, long size, long count, float *gates, const float *peepholes, float *products,
                          const float *before, const float *after, const float *above, const float *passed, float *cell);

    // The normalised LSTM's h: `squashed` is LN(c) and becomes y = tanh(LN(c) + bias), and h = o y.
    void (*expose)(long rows, long size, long count, const float *gates, float *squashed, const float *bias, float *hidden);
    // o and y become dL/d(what they are of).
    void (*expose_backward)(long rows, long size, long count, float *gates, float *squashed, const float *above,
                            const float *passed);
    // Then i f g, with dL/dc by way of LN(c) in `normalized`.
    void (*normalized_lstm_backward)(long rows, long size, long count, float *gates, const float *before, const float *normalized,
                                     float *cell);

    // GRU, gates r z n [B, 3H]. First r, z and r h; after the product with r h, n and the new h.
    void (*gru_reset)(long rows, long size, long count, float *gates, const float *bias, const float *before, float *reset);
    void (*gru_candidate)(long rows, long size, long count, float *gates, const float *bias, const float *before, float *after);
    // z and n become dL/d(pre-activation); `direct`, dL/dh of the next step past its products, becomes that for the step before.
    void (*gru_candidate_backward)(long rows, long size, long count, float *gates, const float *before, const float *above,
                                   const float *passed, float *direct);
    // Then r, with dL/d(r h) in `reset`.
    void (*gru_reset_backward)(long rows, long size, long count, float *gates, const float *before, const float *reset,
                               float *direct);

    // The GRU that resets after the product: `products` [B, 3H] is U h, whose n part gets its bias here.
    void (*gru_after)(long rows, long size, long count, float *gates, float *products, const float *input_bias,
                      const float *recurrent_bias, const float *before, float *after);
    // Gates become dL/d(W x + b), products dL/d(U h + b).
    void (*gru_after_backward)(long rows, long size, long count, float *gates, float *products, const float *before,
                               const float *above, const float *passed, float *direct);

    // y = g(a + bias), in the place of a.
    void (*activate)(lockstep_activation g, long rows, long size, long count, float *values, const float *bias);
    // dL/da in the place of dL/dy, to which `passed` is added first unless it is NULL.
    void (*activate_backward)(lockstep_activation g, long rows, long size, long count, float *gradient, const float *passed,
                              const float *y);

    // A highway: t = sigmoid(a + bias) in the place of a, and y = t h + (1 - t) x.
    void (*highway)(long rows, long size, long count, float *gate, const float *bias, const float *x, const float *h, float *y);
    // dL/dy becomes dL/dh, t becomes dL/da; `past` gets what goes past the layer, (1 - t) dL/dy.
    void (*highway_backward)(long rows, long size, long count, float *gradient, float *gate, const float *x, const float *h,
                             float *past);
} lockstep_cells;

#endif
