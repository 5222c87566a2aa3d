// The weights of causal attention: scale, mask, softmax and dropout in one pass over the scores.
#pragma once

#include "dropout.hpp"
#include "kernels.h"
#include "output.hpp"

namespace seqlab {

// One row of scores, of which the first `visible` of T count: overwritten with their softmax, zeros after it.
inline void softmax_of_row(float *z, int64_t visible, int64_t T, float scale) {
    const float highest = largest(z, visible);
    Vector total{};
    for (int64_t j = 0; j < T; j += WIDTH) {
        const int64_t left = visible - j;
        Vector e{};
        if (left > 0) {
            e = exponential((load_part(z + j, left) - highest) * scale);
            // Lanes after the end hold exp(0 - highest), not zero.
            if (left < WIDTH) e = lanes() < static_cast<int32_t>(left) ? e : Vector{};
        }
        total += e;
        store_part(z + j, e, T - j);
    }
    const float factor = 1 / sum(total);
    for (int64_t j = 0; j < T; j += WIDTH) store_part(z + j, load_part(z + j, T - j) * factor, T - j);
}

// Calls each(j, keep) for the vectors of a row, where `keep` applies dropout to the vector at j. Every row
// advances all generators equally, whatever the width of the build's vectors.
template <class Each>
SEQLAB_INLINE void drop_row(const Keeping &kept, Xoshiro &generator, int64_t T, Each each) {
    for (int64_t at = 0; at < T; at += GENERATORS) {
        SEQLAB_UNROLL
        for (int part = 0; part < PARTS; ++part) {
            const int64_t j = at + part * WIDTH;
            const auto keep = [&](Vector x) { return kept(generator, part, x); };
            if (j < T)
                each(j, keep);
            else
                keep(Vector{});
        }
    }
}

inline void weigh_forward(const seqlab_attention &a, const Keeping &kept, int64_t matrix) {
    Xoshiro generator(kept.seed, matrix);
    const float scale = static_cast<float>(a.scale);
    for (int64_t i = 0; i < a.T; ++i) {
        const int64_t first = (matrix * a.T + i) * a.T;
        float *weights = a.weights + first, *dropped = a.dropped + first;
        softmax_of_row(weights, i + 1, a.T, scale);
        drop_row(kept, generator, a.T, [&](int64_t j, auto keep) {
            store_part(dropped + j, keep(load_part(weights + j, a.T - j)), a.T - j);
        });
    }
}

// With w = softmax(scale z) and g the gradient of w through dropout: dz = scale w (g - sum w g).
inline void weigh_backward(const seqlab_attention &a, const Keeping &kept, int64_t matrix) {
    Xoshiro generator(kept.seed, matrix);
    const float scale = static_cast<float>(a.scale);
    for (int64_t i = 0; i < a.T; ++i) {
        const int64_t first = (matrix * a.T + i) * a.T;
        const float *weights = a.weights + first;
        float *g = a.dropped + first;
        Vector total{};
        drop_row(kept, generator, a.T, [&](int64_t j, auto keep) {
            const Vector upstream = keep(load_part(g + j, a.T - j));
            total += upstream * load_part(weights + j, a.T - j);
            store_part(g + j, upstream, a.T - j);
        });
        const float mean = sum(total);
        for (int64_t j = 0; j < a.T; j += WIDTH) {
            const Vector w = load_part(weights + j, a.T - j);
            store_part(g + j, (load_part(g + j, a.T - j) - mean) * w * scale, a.T - j);
        }
    }
}

inline void weigh(const seqlab_attention &a) {
    const Keeping kept(a.seed, a.share);
    const auto work = [&](const Member &me) {
        const Range mine = me.share(a.count);
        for (int64_t matrix = mine.begin; matrix < mine.end; ++matrix)
            a.backward ? weigh_backward(a, kept, matrix) : weigh_forward(a, kept, matrix);
    };
    if (!run_parallel(available_threads(a.threads), work)) run_parallel(1, work);
}

}  // namespace seqlab
