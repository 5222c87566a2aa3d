// Layers whose weights fit into a core's own caches. Packing states and projecting inputs in advance would
// cost them more than it saves: each thread takes groups of a few rows through all steps, and a step
// multiplies [x, h] by both weights in one product. Of a group only what backward needs leaves the caches.
//
// Where inputs are rows of a small embedding table, W x is computed once per row of the table, and a step is
// left with the product with h. Backward sums the gates' gradients of equal tokens and multiplies these sums.
#pragma once

#include "layer.hpp"

namespace seqlab {

constexpr int64_t SMALL_WEIGHTS = int64_t{1} << 17;  // floats
// Rows per group at most: a step reads the weights once for all of them.
constexpr int64_t SMALL_ROWS = 4 * STRIP;

template <class Cell>
bool is_small(const seqlab_layer &layer, int64_t threads) {
    return Cell::GATES * padded(layer.H) * (layer.E + layer.H) <= SMALL_WEIGHTS &&
           Plan::splits_rows(layer, threads);
}

// Whether projecting the table's rows is cheaper than projecting each token: W x of the table has to fit into
// the caches, and the table must have at most half as many rows as the batch has tokens.
template <class Cell>
bool reads_tokens(const seqlab_layer &layer, int64_t threads) {
    return is_small<Cell>(layer, threads) && Cell::GATES * padded(layer.H) * layer.V <= SMALL_WEIGHTS &&
           2 * layer.V <= layer.B * layer.T;
}

// Backward checks again: the caller's array may have changed since forward, and an id is used as an address.
inline bool tokens_within(const seqlab_layer &layer) {
    for (int64_t b = 0; b < layer.B; ++b) {
        const int64_t *const row = layer.tokens + b * layer.T;
        const int64_t length = layer.lengths ? layer.lengths[b] : layer.T;
        for (int64_t t = 0; t < length; ++t)
            if (row[t] < 0 || row[t] >= layer.V) return false;
    }
    return true;
}

// Gates whose pre-activations are one product with [x, h]. Where the reset gate acts on the last gate, that
// one has separate products with x and with h.
template <class Cell>
constexpr int JOINED = Cell::SEPARATE || Cell::TWO_PHASES ? Cell::GATES - 1 : Cell::GATES;

// The number of inputs in the [x, h] of a step: 0 if W x comes from the table.
inline int64_t inputs_of_step(const seqlab_layer &layer) { return layer.tokens ? 0 : layer.E; }

// Writes nothing after the end, where another row may follow.
SEQLAB_INLINE void copy(const float *from, float *to, int64_t count) {
    int64_t i = 0;
    for (; i + WIDTH <= count; i += WIDTH) store(to + i, load(from + i));
    for (; i < count; ++i) to[i] = from[i];
}

// A matrix; row i begins at `at + i * row`.
template <class Float>
struct Rows {
    Float *at;
    int64_t row;
};

// A packed matrix: panels of `rows` rows each, read from row `first` on.
struct Panels {
    const float *at;
    int64_t rows, first;
};

// Calls work(first, rows) for strips of nearly equal height.
template <class Work>
void each_part(int64_t count, Work work) {
    const int64_t parts = (count + STRIP - 1) / STRIP;
    for (int64_t part = 0; part < parts; ++part) {
        const Range range = share(count, part, parts);
        work(range.begin, static_cast<int>(range.end - range.begin));
    }
}

// to = [to +] left right, over K, for the rows that each_strip(work) passes to work(first, rows).
template <class EachStrip>
void multiply_rows(
    EachStrip each_strip, int64_t K, Rows<const float> left, Panels right, int64_t columns, Rows<float> to,
    bool overwrite
) {
    for (int64_t column = 0; column < columns; column += PANEL) {
        const int width = panel_width(columns - column);
        const float *const panel = right.at + column * right.rows + right.first * width;
        each_strip([&](int64_t first, int rows) {
            multiply_strided_for(rows, width)(
                K, {left.at + first * left.row, left.row, 1, panel, width}, to.at + first * to.row + column,
                to.row, overwrite
            );
        });
    }
}

// to (M rows) += left^T right, where left has M columns, and both have K rows.
inline void add_transposed(
    int64_t K, Rows<const float> left, int64_t M, Rows<const float> right, int64_t columns, Rows<float> to
) {
    for (int64_t column = 0; column < columns; column += PANEL) {
        const int width = panel_width(columns - column);
        each_part(M, [&](int64_t first, int rows) {
            multiply_strided_for(rows, width)(
                K, {left.at + first, 1, left.row, right.at + column, right.row},
                to.at + first * to.row + column, to.row, false
            );
        });
    }
}

// to += sum of `count` rows; `columns` is a multiple of WIDTH.
inline void add_rows(int64_t count, Rows<const float> rows, int64_t columns, float *to) {
    for (int64_t column = 0; column < columns; column += WIDTH) {
        Vector total = load(to + column);
        for (int64_t i = 0; i < count; ++i) total += load(rows.at + i * rows.row + column);
        store(to + column, total);
    }
}

}  // namespace seqlab
