// The inner kernel: a small tile of a matrix product whose accumulators are registers, and the packing of its
// operands. Shapes: left (M, K), right (K, N).
//
// A strip is up to STRIP rows of the left operand, stored k by k: element (i, k) at k * stride + i. A panel
// is PANEL columns of the right operand, stored k by k; the last panel of a matrix is one vector wide if that
// is enough for its columns, and missing columns are zeros.
#pragma once

#include <algorithm>

#include "vector.hpp"

namespace seqlab {

// Accumulators are STRIP x 2 vectors; two more hold a row of the panel and one an element of the strip: 31 of
// the 32 registers of AVX-512, 15 of the 16 of AVX2. A higher strip would spill to memory.
constexpr int STRIP = WIDTH == 16 ? 14 : 6;
constexpr int PANEL = 2 * WIDTH;

inline int64_t panels(int64_t columns) { return (columns + PANEL - 1) / PANEL; }

// Width of a panel when `columns` columns remain from its first one on.
inline int panel_width(int64_t columns) { return columns <= WIDTH ? WIDTH : PANEL; }

// `columns` rounded up to a multiple of WIDTH, which is the width of all panels together.
inline int64_t padded(int64_t columns) { return (columns + WIDTH - 1) / WIDTH * WIDTH; }

// The operands of the inner kernel: element (i, k) of the left one at i * row + k * step, row k of the right
// one at k * right_step.
struct Operands {
    const float *left;
    int64_t row, step;
    const float *right;
    int64_t right_step;
};

// tile (R x V vectors) = [tile +] left right, over K. PREFETCH: the panel that follows the right operand in
// memory, which is multiplied next, is prefetched meanwhile.
template <int R, int V, bool PREFETCH>
SEQLAB_INLINE void multiply_tile(
    int64_t K, const Operands &operands, float *__restrict tile, int64_t tile_row, bool overwrite
) {
    // Each accumulator is a chain of dependent multiply-adds. A tile of few rows has too few of them to hide
    // the latency, so its sum over K is split into several chains. This fixes the order of the additions:
    // changing CHAINS changes results in the last bits.
    constexpr int CHAINS = R == 1 ? 4 : R <= 3 ? 2 : 1;
    const float *__restrict left = operands.left;
    const float *__restrict right = operands.right;
    Vector total[CHAINS][R][V];
    SEQLAB_UNROLL
    for (int i = 0; i < R; ++i) {
        SEQLAB_UNROLL
        for (int v = 0; v < V; ++v) {
            total[0][i][v] = overwrite ? Vector{} : load(tile + i * tile_row + v * WIDTH);
            SEQLAB_UNROLL
            for (int c = 1; c < CHAINS; ++c) total[c][i][v] = Vector{};
        }
    }
    const float *next = right + K * operands.right_step;
    int64_t k = 0;
    for (; k + CHAINS <= K; k += CHAINS) {
        SEQLAB_UNROLL
        for (int c = 0; c < CHAINS; ++c) {
            Vector b[V];
            if constexpr (PREFETCH) {
                SEQLAB_UNROLL
                for (int at = 0; at < V * WIDTH; at += 16)
                    __builtin_prefetch(next + c * V * WIDTH + at, 0, 2);
            }
            SEQLAB_UNROLL
            for (int v = 0; v < V; ++v) b[v] = load(right + c * operands.right_step + v * WIDTH);
            SEQLAB_UNROLL
            for (int i = 0; i < R; ++i) {
                const Vector a = broadcast(left[i * operands.row + c * operands.step]);
                SEQLAB_UNROLL
                for (int v = 0; v < V; ++v) total[c][i][v] += a * b[v];
            }
        }
        left += CHAINS * operands.step;
        right += CHAINS * operands.right_step;
        next += CHAINS * operands.right_step;
    }
    for (; k < K; ++k, left += operands.step, right += operands.right_step) {
        SEQLAB_UNROLL
        for (int i = 0; i < R; ++i) {
            SEQLAB_UNROLL
            for (int v = 0; v < V; ++v)
                total[0][i][v] += broadcast(left[i * operands.row]) * load(right + v * WIDTH);
        }
    }
    SEQLAB_UNROLL
    for (int i = 0; i < R; ++i) {
        SEQLAB_UNROLL
        for (int v = 0; v < V; ++v) {
            SEQLAB_UNROLL
            for (int c = 1; c < CHAINS; ++c) total[0][i][v] += total[c][i][v];
            store(tile + i * tile_row + v * WIDTH, total[0][i][v]);
        }
    }
}

// tile (R x V vectors) = [tile +] strip panel, over K. Not inlined: each size is compiled once.
template <int R, int V, bool PREFETCH>
__attribute__((noinline)) void multiply(
    int64_t K, const float *strip, int64_t stride, const float *panel, float *tile, int64_t tile_row,
    bool overwrite
) {
    multiply_tile<R, V, PREFETCH>(K, {strip, 1, stride, panel, V * WIDTH}, tile, tile_row, overwrite);
}

// The same for operands that are not packed.
template <int R, int V>
__attribute__((noinline)) void multiply_strided(
    int64_t K, const Operands &operands, float *tile, int64_t tile_row, bool overwrite
) {
    multiply_tile<R, V, false>(K, operands, tile, tile_row, overwrite);
}

using Multiply = void (*)(int64_t, const float *, int64_t, const float *, float *, int64_t, bool);
using MultiplyStrided = void (*)(int64_t, const Operands &, float *, int64_t, bool);

template <int V, int... R>
struct KernelTable {
    static constexpr Multiply packed[] = {nullptr, multiply<R, V, false>...};
    static constexpr Multiply prefetching[] = {nullptr, multiply<R, V, true>...};
    static constexpr MultiplyStrided strided[] = {nullptr, multiply_strided<R, V>...};
};

#if SEQLAB_WIDTH == 16
template <int V>
using Kernels = KernelTable<V, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14>;
#else
template <int V>
using Kernels = KernelTable<V, 1, 2, 3, 4, 5, 6>;
#endif

// The kernel for a number of rows and a width of the panel. `prefetching`: it prefetches the next panel.
// Callers ask for that with the first strip of a panel only; with every strip it would cost more than it
// saves.
SEQLAB_INLINE Multiply multiply_for(int rows, int width, bool prefetching) {
    if (prefetching) return (width == WIDTH ? Kernels<1>::prefetching : Kernels<2>::prefetching)[rows];
    return (width == WIDTH ? Kernels<1>::packed : Kernels<2>::packed)[rows];
}

SEQLAB_INLINE MultiplyStrided multiply_strided_for(int rows, int width) {
    return (width == WIDTH ? Kernels<1>::strided : Kernels<2>::strided)[rows];
}

// How many rows ahead the packing functions prefetch: hardware does not predict accesses with large strides.
constexpr int64_t PREFETCH_ROWS = 8;

// Packs panels begin .. end - 1 of a matrix with `columns` columns; row(k) points to row k. All panels are
// packed in one pass over the rows, so that each cache line is read once. Panel p is written to `to` + p *
// PANEL * K.
template <class Row>
void pack_panels_of_rows(
    Row row, int64_t k0, int64_t K, int64_t columns, int64_t begin, int64_t end, float *to
) {
    const int64_t first = begin * PANEL, last = std::min(columns, end * PANEL);
    for (int64_t k = 0; k < K; ++k) {
        const float *const from = row(k0 + k);
        if (k + PREFETCH_ROWS < K) prefetch(row(k0 + k + PREFETCH_ROWS) + first, last - first);
        for (int64_t at = first; at < last; at += PANEL) {
            const int width = panel_width(columns - at);
            float *const panel = to + at * K + k * width;
            store(panel, load_part(from + at, columns - at));
            if (width > WIDTH) store(panel + WIDTH, load_part(from + at + WIDTH, columns - at - WIDTH));
        }
    }
}

// Packs columns first .. first + columns - 1 of a matrix that is stored transposed: row(n) points to the
// elements of column n.
template <class Row>
void pack_panel_of_columns(Row row, int64_t k0, int64_t K, int64_t first, int64_t columns, float *to) {
    const int width = panel_width(columns);
    for (int v = 0; v < width; v += WIDTH) {
        const float *from[WIDTH];
        const int count = static_cast<int>(std::clamp<int64_t>(columns - v, 0, WIDTH));
        for (int j = 0; j < count; ++j) from[j] = row(first + v + j) + k0;
        for (int64_t k = 0; k < K; k += WIDTH) {
            Vector square[WIDTH];
            SEQLAB_UNROLL
            for (int j = 0; j < WIDTH; ++j) square[j] = j < count ? load_part(from[j] + k, K - k) : Vector{};
            transpose(square);
            const int64_t steps = std::min<int64_t>(WIDTH, K - k);
            SEQLAB_UNROLL
            for (int j = 0; j < WIDTH; ++j)
                if (j < steps) store(to + (k + j) * width + v, square[j]);
        }
    }
}

// Stores a block of a strip: from[i] contains WIDTH consecutive k of row i, of which the first `steps` are
// written, `stride` floats apart. Where more of the strip follows, a whole vector is stored and runs into the
// next k, which is written afterwards; so k has to increase.
inline void store_strip(float *to, int64_t stride, int rows, int steps, const float (*from)[WIDTH]) {
    if (rows <= WIDTH) {
        Vector square[WIDTH];
        SEQLAB_UNROLL
        for (int i = 0; i < WIDTH; ++i)
            square[i] = i < STRIP && i < rows ? load(from[i < STRIP ? i : 0]) : Vector{};
        transpose(square);
        SEQLAB_UNROLL
        for (int k = 0; k < WIDTH; ++k) {
            if (k + 1 < steps && stride * (steps - k) >= WIDTH)
                store(to + k * stride, square[k]);
            else if (k < steps)
                store_part(to + k * stride, square[k], rows);
        }
        return;
    }
    for (int k = 0; k < steps; ++k)
        for (int i = 0; i < rows; ++i) to[k * stride + i] = from[i][k];
}

// Packs a strip; row(i) points to row i.
template <class Row>
void pack_strip_of_rows(Row row, int rows, int64_t k0, int64_t K, float *to) {
    const float *from[STRIP];
    for (int i = 0; i < rows; ++i) from[i] = row(i) + k0;
    for (int64_t k = 0; k < K; k += WIDTH) {
        alignas(64) float square[STRIP][WIDTH];
        for (int i = 0; i < rows; ++i) store(square[i], load_part(from[i] + k, K - k));
        store_strip(to + k * rows, rows, rows, static_cast<int>(std::min<int64_t>(WIDTH, K - k)), square);
    }
}

}  // namespace seqlab
