// The products of an output layer, and its loss.
#pragma once

#include <cmath>

#include "kernels.h"
#include "product.hpp"

namespace seqlab {

inline void multiply_matrices(
    const seqlab_matrices &m, const Member &me, float *panel_memory, float *strip_memory
) {
    const Strips strips(1, m.M);
    product(
        me, strips, m.N, m.K, panel_memory, strip_memory + me.number * STRIP_FLOATS,
        [&](const Pieces &group, int64_t k0, int64_t k, float *to) {
            const auto row = [&](int64_t at) { return m.a + at * m.a_row; };
            if (m.a_transposed)
                pack_columns(group, row, 0, k0, k, to);
            else
                pack_rows(group, [&](const Piece &piece, int i) { return row(piece.first + i); }, k0, k, to);
        },
        [&](const Range &range, int64_t k0, int64_t k, float *to) {
            const auto row = [&](int64_t at) { return m.b + at * m.b_row; };
            if (!m.b_transposed) return pack_panels_of_rows(row, k0, k, m.N, range.begin, range.end, to);
            for (int64_t at = range.begin * PANEL; at < std::min(m.N, range.end * PANEL); at += PANEL)
                pack_panel_of_columns(row, k0, k, at, std::min<int64_t>(PANEL, m.N - at), to + at * k);
        },
        [&](const Piece &piece, int i) { return m.c + (piece.first + i) * m.N; }
    );
    if (!m.bias) return;
    const Range rows = me.share(m.M);
    for (int64_t i = rows.begin; i < rows.end; ++i)
        for (int64_t j = 0; j < m.N; ++j) m.c[i * m.N + j] += m.bias[j];
}

inline int multiply_matrices(const seqlab_matrices &matrices) {
    const int64_t threads = available_threads(matrices.threads);
    Scratch scratch;
    float *panels = nullptr, *strips = nullptr;
    scratch.reserve(panels, panel_floats(matrices.N));
    scratch.reserve(strips, threads * STRIP_FLOATS);
    if (!scratch.allocate()) return SEQLAB_NO_MEMORY;
    const auto work = [&](const Member &me) { multiply_matrices(matrices, me, panels, strips); };
    if (!run_parallel(threads, work)) run_parallel(1, work);
    return 0;
}

inline float largest(const float *z, int64_t V) {
    Vector highest = broadcast(z[0]);
    int64_t j = 0;
    for (; j + WIDTH <= V; j += WIDTH) {
        highest = maximum(load(z + j), highest);
    }
    float result = highest[0];
    for (int i = 1; i < WIDTH; ++i) result = std::max(result, highest[i]);
    for (; j < V; ++j) result = std::max(result, z[j]);
    return result;
}

// The loss of one row in nats; overwrites its logits with their gradients. Sums are in double precision: over
// 10,000 outputs a float32 sum would lose digits.
inline double cross_entropy(float *z, int64_t V, int64_t target, double smoothing) {
    const float highest = largest(z, V);
    const double target_term = (1 - smoothing) * z[target];
    Doubles total{}, logit_sum{};
    for (int64_t j = 0; j < V; j += WIDTH) {
        const int64_t left = V - j;
        const Vector logits = load_part(z + j, left);
        Vector e = exponential(logits - highest);
        // Lanes after the end hold exp(0 - highest), not zero.
        if (left < WIDTH) e = lanes() < static_cast<int32_t>(left) ? e : Vector{};
        if (smoothing != 0) add(logit_sum, logits);
        add(total, e);
        store_part(z + j, e, left);
    }
    const double sum_of_all = sum(total);
    const float scale = static_cast<float>(1 / sum_of_all),
                floor = static_cast<float>(smoothing / static_cast<double>(V));
    for (int64_t j = 0; j < V; j += WIDTH) store_part(z + j, load_part(z + j, V - j) * scale - floor, V - j);
    z[target] -= static_cast<float>(1 - smoothing);
    return highest + std::log(sum_of_all) - target_term - smoothing * sum(logit_sum) / static_cast<double>(V);
}

inline void cross_entropy_of_rows(
    int64_t N, int64_t V, float *logits, const int64_t *targets, double smoothing, double *nats,
    int64_t threads
) {
    const auto work = [&](const Member &me) {
        const Range rows = me.share(N);
        for (int64_t n = rows.begin; n < rows.end; ++n)
            nats[n] = cross_entropy(logits + n * V, V, targets[n], smoothing);
    };
    if (!run_parallel(available_threads(threads), work)) run_parallel(1, work);
}

}  // namespace seqlab
