// What the forward and the backward pass of a layer have in common.
#pragma once

#include <cstring>
#include <vector>

#include "cells.hpp"
#include "plan.hpp"
#include "product.hpp"

namespace seqlab {

// A group's share of a pass: one thread alone, or one of all threads.
struct Crew {
    const Group &group;
    Member me;
    Range units;  // panels of units that are this thread's
};

// Floats that backward needs of all tokens of a layer.
template <class Cell>
int64_t saved_floats(const seqlab_layer &layer) {
    int64_t tokens = 0;
    for (int64_t b = 0; b < layer.B; ++b) tokens += layer.lengths ? layer.lengths[b] : layer.T;
    const int64_t gates = Cell::KEEPS_GATES ? Cell::GATES : 0;
    return tokens * (gates + (Cell::CELL_STATE || Cell::APART ? 1 : 0)) * padded(layer.H);
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

    // Of the only group of a thread.
    Crew crew(const Member &me, Barrier &alone) const {
        if (plan.by_rows) return crew(plan.groups_of(me.number).begin, alone);
        return {plan.groups[0], me, me.share(panels(H))};
    }
    // Of a thread that has a group to itself.
    Crew crew(int64_t group, Barrier &alone) const {
        return {plan.groups[group], Member{0, 1, alone}, {0, panels(H)}};
    }

    // Work(step, row of the group, token) for this thread's share of the group's tokens.
    template <class Work>
    static void each_token(const Crew &crew, Work work) {
        const Range steps = crew.me.share(crew.group.steps());
        for (int64_t s = steps.begin; s < steps.end; ++s)
            for (int64_t i = 0; i < crew.group.active[s]; ++i) work(s, i, crew.group.begin[s] + i);
    }

    // Zeros behind the lengths of this thread's rows, `columns` floats a step.
    void zero_padding(
        const Crew &crew, float *array, int64_t row_stride, int64_t step_stride, int64_t columns
    ) const {
        const Range rows = crew.me.share(crew.group.count());
        for (int64_t i = rows.begin; i < rows.end; ++i)
            for (int64_t t = crew.group.lengths[i]; t < layer.T; ++t)
                std::memset(
                    array + crew.group.rows[i] * row_stride + t * step_stride, 0,
                    static_cast<size_t>(columns) * sizeof(float)
                );
    }

    // Multiplies the first `active` rows of every strip of a packed matrix with one panel, K deep, in blocks
    // of K in which the panel stays in the first-level cache; before(strip) is called in the first block.
    //   packed: strips, each `packed_row` floats a row, from the k-th of which on is read.
    //   to: what is added to, or overwritten: rows `to_row` floats apart.
    template <class Before>
    static void multiply_strips(
        const Group &group, int64_t active, int64_t K, const float *packed, int64_t packed_row,
        int64_t first_k, const float *panel, int width, float *to, int64_t to_row, bool fresh, Before before
    ) {
        const Depths depths(K);
        for (int64_t block = 0; block < depths.count; ++block) {
            const int64_t k0 = depths.at(block), k = depths.of(block);
            group.each_strip(active, [&](const Strip &strip) {
                if (!block) before(strip);
                multiply_for(strip.rows, width, strip.begin == 0)(
                    k, packed + strip.begin * packed_row + (first_k + k0) * strip.height, strip.height,
                    panel + k0 * width, to + strip.begin * to_row, to_row, fresh && !block
                );
            });
        }
    }

    const seqlab_layer &layer;
    const Plan plan;
    const int64_t E, H;
    // H, and zeros up to whole vectors: internal rows of units are as long as this.
    const int64_t unit_columns;
    // Of all gates, one behind the other.
    const int64_t gate_columns;
};

}  // namespace seqlab
