// The inner kernel: a small tile of a product, held in registers, and the packing of its operands.
//
// A strip is up to STRIP rows of the left operand, stored k by k: element (i, k) at k * stride + i. A panel
// is PANEL columns of the right one, stored k by k; the last panel of a matrix is one vector wide if that
// holds its columns, and columns that are missing are zeros.
#pragma once

#include <algorithm>

#include "vector.hpp"

namespace seqlab {

// Accumulators are STRIP x 2 vectors; two more hold a row of the panel, one an element of the strip:
// 31 of the 32 registers of AVX-512, 15 of the 16 of AVX2.
constexpr int STRIP = WIDTH == 16 ? 14 : 6;
constexpr int PANEL = 2 * WIDTH;

inline int64_t panels(int64_t columns) { return (columns + PANEL - 1) / PANEL; }

// Width of the panel that begins with `columns` columns left.
inline int panel_width(int64_t columns) { return columns <= WIDTH ? WIDTH : PANEL; }

// Columns of all panels together: a multiple of WIDTH.
inline int64_t padded(int64_t columns) { return (columns + WIDTH - 1) / WIDTH * WIDTH; }

// What the inner kernel multiplies: element (i, k) of the left operand at i * row + k * step, the right one's
// row k at k * right_step.
struct Operands {
    const float *left;
    int64_t row, step;
    const float *right;
    int64_t right_step;
};

// tile (R x V vectors) = [tile +] left * right, over K. AHEAD: what is multiplied next lies behind the right
// operand, and comes nearer meanwhile.
template <int R, int V, bool AHEAD>
SEQLAB_INLINE void multiply_tile(
    int64_t K, const Operands &of, float *__restrict tile, int64_t tile_row, bool fresh
) {
    // A chain of dependent multiply-adds waits for itself; few rows need several chains.
    constexpr int CHAINS = R == 1 ? 4 : R <= 3 ? 2 : 1;
    const float *__restrict left = of.left;
    const float *__restrict right = of.right;
    Vector total[CHAINS][R][V];
    SEQLAB_UNROLL
    for (int i = 0; i < R; ++i) {
        SEQLAB_UNROLL
        for (int v = 0; v < V; ++v) {
            total[0][i][v] = fresh ? Vector{} : load(tile + i * tile_row + v * WIDTH);
            SEQLAB_UNROLL
            for (int c = 1; c < CHAINS; ++c) total[c][i][v] = Vector{};
        }
    }
    const float *next = right + K * of.right_step;
    int64_t k = 0;
    for (; k + CHAINS <= K; k += CHAINS) {
        SEQLAB_UNROLL
        for (int c = 0; c < CHAINS; ++c) {
            Vector b[V];
            if constexpr (AHEAD) {
                SEQLAB_UNROLL
                for (int at = 0; at < V * WIDTH; at += 16)
                    __builtin_prefetch(next + c * V * WIDTH + at, 0, 2);
            }
            SEQLAB_UNROLL
            for (int v = 0; v < V; ++v) b[v] = load(right + c * of.right_step + v * WIDTH);
            SEQLAB_UNROLL
            for (int i = 0; i < R; ++i) {
                const Vector a = all(left[i * of.row + c * of.step]);
                SEQLAB_UNROLL
                for (int v = 0; v < V; ++v) total[c][i][v] += a * b[v];
            }
        }
        left += CHAINS * of.step;
        right += CHAINS * of.right_step;
        next += CHAINS * of.right_step;
    }
    for (; k < K; ++k, left += of.step, right += of.right_step) {
        SEQLAB_UNROLL
        for (int i = 0; i < R; ++i) {
            SEQLAB_UNROLL
            for (int v = 0; v < V; ++v) total[0][i][v] += all(left[i * of.row]) * load(right + v * WIDTH);
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

// tile (R x V vectors) = [tile +] strip * panel, over K.
template <int R, int V, bool AHEAD>
__attribute__((noinline)) void multiply(
    int64_t K, const float *strip, int64_t stride, const float *panel, float *tile, int64_t tile_row,
    bool fresh
) {
    multiply_tile<R, V, AHEAD>(K, {strip, 1, stride, panel, V * WIDTH}, tile, tile_row, fresh);
}

// The same of operands that are not packed.
template <int R, int V>
__attribute__((noinline)) void multiply_strided(
    int64_t K, const Operands &of, float *tile, int64_t tile_row, bool fresh
) {
    multiply_tile<R, V, false>(K, of, tile, tile_row, fresh);
}

using Multiply = void (*)(int64_t, const float *, int64_t, const float *, float *, int64_t, bool);
using MultiplyStrided = void (*)(int64_t, const Operands &, float *, int64_t, bool);

template <int V, int... R>
struct Multiplies {
    static constexpr Multiply packed[] = {nullptr, multiply<R, V, false>...};
    static constexpr Multiply ahead[] = {nullptr, multiply<R, V, true>...};
    static constexpr MultiplyStrided strided[] = {nullptr, multiply_strided<R, V>...};
};

#if SEQLAB_WIDTH == 16
template <int V>
using Kernels = Multiplies<V, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14>;
#else
template <int V>
using Kernels = Multiplies<V, 1, 2, 3, 4, 5, 6>;
#endif

// The kernels for so many rows and a panel of this width. `ahead`: the panel behind this one comes nearer
// meanwhile. That is asked for while the first strip passes by; for every strip it would cost more than it
// saves.
SEQLAB_INLINE Multiply multiply_for(int rows, int width, bool ahead) {
    if (ahead) return (width == WIDTH ? Kernels<1>::ahead : Kernels<2>::ahead)[rows];
    return (width == WIDTH ? Kernels<1>::packed : Kernels<2>::packed)[rows];
}

SEQLAB_INLINE MultiplyStrided multiply_strided_for(int rows, int width) {
    return (width == WIDTH ? Kernels<1>::strided : Kernels<2>::strided)[rows];
}

// Rows that are read with large steps in between come late unless they are asked for some rows ahead.
constexpr int64_t AHEAD = 8;

// Panels begin .. end - 1 of a matrix of `columns` columns whose rows are the k: row(k) points to one. All
// panels at once, so that a cache line is read once; each goes PANEL * K behind the one before, from `to` of
// panel 0 on.
template <class Row>
void pack_panels_of_rows(
    Row row, int64_t k0, int64_t K, int64_t columns, int64_t begin, int64_t end, float *to
) {
    const int64_t first = begin * PANEL, last = std::min(columns, end * PANEL);
    for (int64_t k = 0; k < K; ++k) {
        const float *const from = row(k0 + k);
        if (k + AHEAD < K) fetch(row(k0 + k + AHEAD) + first, last - first);
        for (int64_t at = first; at < last; at += PANEL) {
            const int width = panel_width(columns - at);
            float *const panel = to + at * K + k * width;
            store(panel, load_part(from + at, columns - at));
            if (width > WIDTH) store(panel + WIDTH, load_part(from + at + WIDTH, columns - at - WIDTH));
        }
    }
}

// Columns first .. first + columns of a matrix whose rows are the columns of the panel: row(n) points to its
// k.
template <class Row>
void pack_panel_of_columns(Row row, int64_t k0, int64_t K, int64_t first, int64_t columns, float *to) {
    const int width = panel_width(columns);
    for (int v = 0; v < width; v += WIDTH) {
        const float *from[WIDTH];
        const int here = static_cast<int>(std::clamp<int64_t>(columns - v, 0, WIDTH));
        for (int j = 0; j < here; ++j) from[j] = row(first + v + j) + k0;
        for (int64_t k = 0; k < K; k += WIDTH) {
            Vector square[WIDTH];
            SEQLAB_UNROLL
            for (int j = 0; j < WIDTH; ++j) square[j] = j < here ? load_part(from[j] + k, K - k) : Vector{};
            transpose(square);
            const int64_t steps = std::min<int64_t>(WIDTH, K - k);
            SEQLAB_UNROLL
            for (int j = 0; j < WIDTH; ++j)
                if (j < steps) store(to + (k + j) * width + v, square[j]);
        }
    }
}

// rows[i] holds WIDTH successive k of row i of a strip; writes steps of them, `stride` apart, the i-th rows.
// Where all rows of the strip are there, a store may run into the next k, which is written after it.
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

// A strip of a matrix whose rows are the strip's: row(i) points to its k.
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
