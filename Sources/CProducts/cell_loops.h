// The loops of include/cells.h, which says what they do. docs/mathematics.md derives them; s = sigmoid(a) has the derivative
// s (1 - s), and y = tanh(a) has 1 - y^2. A product of several factors is computed from left to right.
#include "lanes.h"

#define EACH_ROW for (long row = 0; row < rows; row++)

static void lstm(long rows, long size, long count, float *gates, const float *bias, const float *peepholes, const float *before,
                 float *after, float *hidden) {
    const float *bi = bias, *bf = bi + size, *bg = bf + size, *bo = bg + size;
    EACH_ROW {
        float *gi = gates + row * 4 * size, *gf = gi + size, *gg = gf + size, *go = gg + size;
        EACH_PLACE(count, {
            const long place = row * size + j;
            const vector old = load(before + place, n);
            vector ai = load(gi + j, n) + load(bi + j, n);
            vector af = load(gf + j, n) + load(bf + j, n);
            vector ao = load(go + j, n) + load(bo + j, n);
            if (peepholes) {
                ai = multiply_add(load(peepholes + j, n), old, ai);
                af = multiply_add(load(peepholes + size + j, n), old, af);
            }
            const vector i = logistic(ai), f = logistic(af);
            const vector g = hyperbolic_tangent(load(gg + j, n) + load(bg + j, n));
            const vector c = multiply_add(f, old, i * g);
            if (peepholes) ao = multiply_add(load(peepholes + 2 * size + j, n), c, ao);
            const vector o = logistic(ao);
            store(gi + j, n, i), store(gf + j, n, f), store(gg + j, n, g), store(go + j, n, o);
            store(after + place, n, c);
            if (hidden) store(hidden + place, n, o * hyperbolic_tangent(c));
        })
    }
}

static void lstm_backward(long rows, long size, long count, float *gates, const float *peepholes, float *products,
                          const float *before, const float *after, const float *above, const float *passed, float *cell) {
    EACH_ROW {
        float *gi = gates + row * 4 * size, *gf = gi + size, *gg = gf + size, *go = gg + size;
        EACH_PLACE(count, {
            const long place = row * size + j;
            const vector i = load(gi + j, n), f = load(gf + j, n), g = load(gg + j, n), o = load(go + j, n);
            const vector old = load(before + place, n), c = load(after + place, n), y = hyperbolic_tangent(c);
            const vector dh = load(above + place, n) + load(passed + place, n);
            const vector dao = dh * y * o * (1 - o);
            vector dc = multiply_add(dh * o, 1 - y * y, load(cell + place, n));
            if (peepholes) dc = multiply_add(dao, load(peepholes + 2 * size + j, n), dc);
            const vector dai = dc * g * i * (1 - i), daf = dc * old * f * (1 - f);
            store(gi + j, n, dai), store(gf + j, n, daf), store(gg + j, n, dc * i * (1 - g * g)), store(go + j, n, dao);
            vector next = dc * f;
            if (peepholes) {
                float *product = products + row * 3 * size + j;
                store(product, n, dai * old), store(product + size, n, daf * old), store(product + 2 * size, n, dao * c);
                next = multiply_add(daf, load(peepholes + size + j, n), multiply_add(dai, load(peepholes + j, n), next));
            }
            store(cell + place, n, next);
        })
    }
}

static void expose(long rows, long size, long count, const float *gates, float *squashed, const float *bias, float *hidden) {
    EACH_ROW {
        const float *go = gates + (row * 4 + 3) * size;
        EACH_PLACE(count, {
            const long place = row * size + j;
            const vector y = hyperbolic_tangent(load(squashed + place, n) + load(bias + j, n));
            store(squashed + place, n, y);
            store(hidden + place, n, load(go + j, n) * y);
        })
    }
}

static void expose_backward(long rows, long size, long count, float *gates, float *squashed, const float *above,
                            const float *passed) {
    EACH_ROW {
        float *go = gates + (row * 4 + 3) * size;
        EACH_PLACE(count, {
            const long place = row * size + j;
            const vector o = load(go + j, n), y = load(squashed + place, n);
            const vector dh = load(above + place, n) + load(passed + place, n);
            store(squashed + place, n, dh * o * (1 - y * y));
            store(go + j, n, dh * y * o * (1 - o));
        })
    }
}

static void normalized_lstm_backward(long rows, long size, long count, float *gates, const float *before, const float *normalized,
                                     float *cell) {
    EACH_ROW {
        float *gi = gates + row * 4 * size, *gf = gi + size, *gg = gf + size;
        EACH_PLACE(count, {
            const long place = row * size + j;
            const vector i = load(gi + j, n), f = load(gf + j, n), g = load(gg + j, n);
            const vector dc = load(cell + place, n) + load(normalized + place, n);
            store(gi + j, n, dc * g * i * (1 - i));
            store(gf + j, n, dc * load(before + place, n) * f * (1 - f));
            store(gg + j, n, dc * i * (1 - g * g));
            store(cell + place, n, dc * f);
        })
    }
}

static void gru_reset(long rows, long size, long count, float *gates, const float *bias, const float *before, float *reset) {
    EACH_ROW {
        float *gr = gates + row * 3 * size, *gz = gr + size;
        EACH_PLACE(count, {
            const long place = row * size + j;
            const vector r = logistic(load(gr + j, n) + load(bias + j, n));
            store(gr + j, n, r);
            store(gz + j, n, logistic(load(gz + j, n) + load(bias + size + j, n)));
            store(reset + place, n, r * load(before + place, n));
        })
    }
}

static void gru_candidate(long rows, long size, long count, float *gates, const float *bias, const float *before, float *after) {
    EACH_ROW {
        float *gz = gates + (row * 3 + 1) * size, *gn = gz + size;
        EACH_PLACE(count, {
            const long place = row * size + j;
            const vector candidate = hyperbolic_tangent(load(gn + j, n) + load(bias + 2 * size + j, n));
            store(gn + j, n, candidate);
            store(after + place, n, multiply_add(load(gz + j, n), load(before + place, n) - candidate, candidate));
        })
    }
}

static void gru_candidate_backward(long rows, long size, long count, float *gates, const float *before, const float *above,
                                   const float *passed, float *direct) {
    EACH_ROW {
        float *gz = gates + (row * 3 + 1) * size, *gn = gz + size;
        EACH_PLACE(count, {
            const long place = row * size + j;
            const vector z = load(gz + j, n), candidate = load(gn + j, n);
            const vector dh = load(above + place, n) + load(passed + place, n) + load(direct + place, n);
            store(gz + j, n, dh * (load(before + place, n) - candidate) * z * (1 - z));
            store(gn + j, n, dh * (1 - z) * (1 - candidate * candidate));
            store(direct + place, n, dh * z);
        })
    }
}

static void gru_reset_backward(long rows, long size, long count, float *gates, const float *before, const float *reset,
                               float *direct) {
    EACH_ROW {
        float *gr = gates + row * 3 * size;
        EACH_PLACE(count, {
            const long place = row * size + j;
            const vector r = load(gr + j, n), d = load(reset + place, n);
            store(gr + j, n, d * load(before + place, n) * r * (1 - r));
            store(direct + place, n, multiply_add(d, r, load(direct + place, n)));
        })
    }
}

static void gru_after(long rows, long size, long count, float *gates, float *products, const float *input_bias,
                      const float *recurrent_bias, const float *before, float *after) {
    const float *br = input_bias, *bz = br + size, *bn = bz + size;
    const float *cr = recurrent_bias, *cz = cr + size, *cn = cz + size;
    EACH_ROW {
        float *gr = gates + row * 3 * size, *gz = gr + size, *gn = gz + size;
        float *pr = products + row * 3 * size, *pz = pr + size, *pn = pz + size;
        EACH_PLACE(count, {
            const long place = row * size + j;
            const vector r = logistic(load(gr + j, n) + load(pr + j, n) + load(br + j, n) + load(cr + j, n));
            const vector z = logistic(load(gz + j, n) + load(pz + j, n) + load(bz + j, n) + load(cz + j, n));
            const vector q = load(pn + j, n) + load(cn + j, n);
            const vector candidate = hyperbolic_tangent(multiply_add(r, q, load(gn + j, n) + load(bn + j, n)));
            store(gr + j, n, r), store(gz + j, n, z), store(gn + j, n, candidate);
            store(pn + j, n, q);
            store(after + place, n, multiply_add(z, load(before + place, n) - candidate, candidate));
        })
    }
}

static void gru_after_backward(long rows, long size, long count, float *gates, float *products, const float *before,
                               const float *above, const float *passed, float *direct) {
    EACH_ROW {
        float *gr = gates + row * 3 * size, *gz = gr + size, *gn = gz + size;
        float *pr = products + row * 3 * size, *pz = pr + size, *pn = pz + size;
        EACH_PLACE(count, {
            const long place = row * size + j;
            const vector r = load(gr + j, n), z = load(gz + j, n), candidate = load(gn + j, n), q = load(pn + j, n);
            const vector dh = load(above + place, n) + load(passed + place, n) + load(direct + place, n);
            const vector dan = dh * (1 - z) * (1 - candidate * candidate);
            const vector daz = dh * (load(before + place, n) - candidate) * z * (1 - z);
            const vector dar = dan * q * r * (1 - r);
            store(gr + j, n, dar), store(gz + j, n, daz), store(gn + j, n, dan);
            store(pr + j, n, dar), store(pz + j, n, daz), store(pn + j, n, dan * r);
            store(direct + place, n, dh * z);
        })
    }
}

// Inlined with each g, so that the loops have no choice to make.
ALWAYS_INLINE void activate_by(const lockstep_activation g, long rows, long size, long count, float *values, const float *bias) {
    EACH_ROW EACH_PLACE(count, {
        float *place = values + row * size + j;
        const vector a = load(place, n) + load(bias + j, n);
        store(place, n, g == LOCKSTEP_TANH ? hyperbolic_tangent(a) : g == LOCKSTEP_SIGMOID ? logistic(a) : maximum(a, 0));
    })
}

static void activate(lockstep_activation g, long rows, long size, long count, float *values, const float *bias) {
    switch (g) {
    case LOCKSTEP_TANH: activate_by(LOCKSTEP_TANH, rows, size, count, values, bias); break;
    case LOCKSTEP_SIGMOID: activate_by(LOCKSTEP_SIGMOID, rows, size, count, values, bias); break;
    case LOCKSTEP_RELU: activate_by(LOCKSTEP_RELU, rows, size, count, values, bias); break;
    }
}

static void activate_backward(lockstep_activation g, long rows, long size, long count, float *gradient, const float *passed,
                              const float *y) {
    if (count == size) count = size = rows * size, rows = 1;  // one long row
    EACH_ROW EACH_PLACE(count, {
        const long place = row * size + j;
        const vector h = load(y + place, n);
        vector d = load(gradient + place, n);
        if (passed) d += load(passed + place, n);
        store(gradient + place, n, g == LOCKSTEP_TANH ? d * (1 - h * h) : g == LOCKSTEP_SIGMOID ? d * h * (1 - h) : h <= 0 ? 0 : d);
    })
}

static void highway(long rows, long size, long count, float *gate, const float *bias, const float *x, const float *h, float *y) {
    EACH_ROW EACH_PLACE(count, {
        const long place = row * size + j;
        const vector t = logistic(load(gate + place, n) + load(bias + j, n)), input = load(x + place, n);
        store(gate + place, n, t);
        store(y + place, n, multiply_add(t, load(h + place, n) - input, input));
    })
}

static void highway_backward(long rows, long size, long count, float *gradient, float *gate, const float *x, const float *h,
                             float *past) {
    if (count == size) count = size = rows * size, rows = 1;  // one long row
    EACH_ROW EACH_PLACE(count, {
        const long place = row * size + j;
        const vector t = load(gate + place, n), dy = load(gradient + place, n);
        store(gate + place, n, dy * (load(h + place, n) - load(x + place, n)) * t * (1 - t));
        store(past + place, n, dy * (1 - t));
        store(gradient + place, n, dy * t);
    })
}

#define CELLS {lstm, lstm_backward, expose, expose_backward, normalized_lstm_backward, gru_reset, gru_candidate, \
               gru_candidate_backward, gru_reset_backward, gru_after, gru_after_backward, activate, activate_backward, highway, \
               highway_backward}
