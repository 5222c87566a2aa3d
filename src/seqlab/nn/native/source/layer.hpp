// What the forward and the backward passes of a layer share.
#pragma once

#include <cstring>
#include <vector>

#include "cells.hpp"
#include "plan.hpp"
#include "product.hpp"

namespace seqlab {

// What one thread computes of a group: all units of it (work divided by rows), or a range of units that it
// shares with the other threads (by units).
struct Slice {
    const Group &group;
    Member me;    // among the threads that work on this group
    Range units;  // panels of units that this thread computes
};

// Floats that forward saves for backward: of each token the gates, and the cell state or the separate product
// where the cell has one.
template <class Cell>
int64_t saved_floats(const seqlab_layer &layer) {
    int64_t tokens = 0;
    for (int64_t b = 0; b < layer.B; ++b) tokens += layer.lengths ? layer.lengths[b] : layer.T;
    const int64_t gates = Cell::SAVES_GATES ? Cell::GATES : 0;
    return tokens * (gates + (Cell::CELL_STATE || Cell::SEPARATE ? 1 : 0)) * padded(layer.H);
}

template <class Cell>
class LayerPass {
  protected:
    // height: see `Plan`.
    LayerPass(const seqlab_layer &layer, int64_t threads, int64_t height)
        : layer(layer),
          plan(layer, threads, height),
          E(layer.E),
          H(layer.H),
          unit_columns(padded(layer.H)),
          gate_columns(Cell::GATES * unit_columns) {}

    // The slice of a thread that has one group, or a share of the only one.
    Slice slice(const Member &me, Barrier &single) const {
        if (plan.by_rows) return slice(plan.groups_of(me.number).begin, single);
        return {plan.groups[0], me, me.share(panels(H))};
    }
    // The slice of a thread that computes a group alone.
    Slice slice(int64_t group, Barrier &single) const {
        return {plan.groups[group], Member{0, 1, single}, {0, panels(H)}};
    }

    // Calls work(step, row of the group, token) for this thread's share of the group's tokens.
    template <class Work>
    static void each_token(const Slice &slice, Work work) {
        const Range steps = slice.me.share(slice.group.steps());
        for (int64_t s = steps.begin; s < steps.end; ++s)
            for (int64_t i = 0; i < slice.group.active[s]; ++i) work(s, i, slice.group.begin[s] + i);
    }

    // Writes zeros to the padding of this thread's share of the rows, `columns` floats per step.
    void zero_padding(
        const Slice &slice, float *array, int64_t row_stride, int64_t step_stride, int64_t columns
    ) const {
        const Range rows = slice.me.share(slice.group.count());
        for (int64_t i = rows.begin; i < rows.end; ++i)
            for (int64_t t = slice.group.lengths[i]; t < layer.T; ++t)
                std::memset(
                    array + slice.group.rows[i] * row_stride + t * step_stride, 0,
                    static_cast<size_t>(columns) * sizeof(float)
                );
    }

    // Multiplies the first `active` rows of a packed matrix by one panel, over K. K is divided into blocks
    // for which the panel stays in the first-level cache. before(strip) is called ahead of each strip of the
    // first block.
    //   packed: strips of `packed_row` floats per row, read from column first_k on.
    //   to: the result, rows `to_row` floats apart; added to unless `overwrite`.
    template <class Before>
    static void multiply_strips(
        const Group &group, int64_t active, int64_t K, const float *packed, int64_t packed_row,
        int64_t first_k, const float *panel, int width, float *to, int64_t to_row, bool overwrite,
        Before before
    ) {
        const Depths depths(K);
        for (int64_t block = 0; block < depths.count; ++block) {
            const int64_t k0 = depths.begin(block), k = depths.size(block);
            group.each_strip(active, [&](const Strip &strip) {
                if (!block) before(strip);
                multiply_for(strip.rows, width, strip.begin == 0)(
                    k, packed + strip.begin * packed_row + (first_k + k0) * strip.height, strip.height,
                    panel + k0 * width, to + strip.begin * to_row, to_row, overwrite && !block
                );
            });
        }
    }

    const seqlab_layer &layer;
    const Plan plan;
    const int64_t E, H;
    // H rounded up to whole vectors: the length of internal rows of units, padded with zeros.
    const int64_t unit_columns;
    // The same of all gates, one after the other.
    const int64_t gate_columns;
};

}  // namespace seqlab
