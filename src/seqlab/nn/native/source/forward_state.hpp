// What both forward passes share: states, biases, what is saved for backward, and a cell's step for one
// vector of units.
#pragma once

#include "layer.hpp"

namespace seqlab {

template <class Cell>
class ForwardState : protected LayerPass<Cell> {
    using Base = LayerPass<Cell>;

  protected:
    using Base::H, Base::layer, Base::plan, Base::unit_columns, Base::gate_columns;

    ForwardState(const seqlab_layer &layer, int64_t threads, int64_t height) : Base(layer, threads, height) {}

    void reserve_state() {
        const int64_t rows = layer.B * unit_columns;
        scratch_.reserve(bias_, gate_columns);
        scratch_.reserve(bias_separate_, unit_columns);
        if (Cell::CELL_STATE) scratch_.reserve(c_, rows);
        if (Cell::SEPARATE) scratch_.reserve(separate_, rows);
    }

    // Without it (Elman cells, no backward pass) gates are kept for a few steps only.
    bool saves_gates() const { return layer.saved && Cell::SAVES_GATES; }

    // Where a step's c or separate product is stored: by token in `saved`, after the gates; without a
    // backward pass by row in `of_rows`, overwritten by every step.
    float *extra(float *of_rows, const Slice &slice, int64_t step) const {
        if (!layer.saved) return of_rows + slice.group.first * unit_columns;
        const int64_t gates = plan.tokens * gate_columns;
        return layer.saved + gates + slice.group.begin[step] * unit_columns;
    }

    // The two biases of a gate are added here once, except where the reset gate multiplies one of them.
    void pack_bias() {
        for (int64_t g = 0; g < Cell::GATES; ++g)
            for (int64_t j = 0; j < unit_columns; ++j) {
                const bool separate = Cell::SEPARATE && g == Cell::GATES - 1;
                const float ih = layer.bias_ih && j < H ? layer.bias_ih[g * H + j] : 0.f;
                const float hh = layer.bias_hh && j < H ? layer.bias_hh[g * H + j] : 0.f;
                bias_[g * unit_columns + j] = separate ? ih : ih + hh;
                if (separate) bias_separate_[j] = hh;
            }
    }

    // Sets a row's initial states; they are also its final ones if it has no token.
    void start_row(const Slice &slice, int64_t i, float *h) {
        start_row(slice, i, layer.h0, h, layer.hn);
        if constexpr (Cell::CELL_STATE)
            start_row(slice, i, layer.c0, c_ + (slice.group.first + i) * unit_columns, layer.cn);
    }

    // The input of a cell for one vector of units. gates, h: of the row; h of the previous step.
    Forward load_step(
        const Slice &slice, int64_t s, int64_t row, int64_t column, float *gates, const float *h
    ) const {
        Forward at{};
        at.gates = gates + column;
        at.gate = unit_columns;
        at.bias = bias_ + column;
        at.bias_separate = bias_separate_ + column;
        at.h = load(h + column);
        if constexpr (Cell::SEPARATE) at.separate = extra(separate_, slice, s) + row * unit_columns + column;
        if constexpr (Cell::CELL_STATE) {
            const bool first = s == 0 || !layer.saved;
            at.c = load(
                (first ? c_ + slice.group.first * unit_columns : extra(c_, slice, s - 1)) +
                row * unit_columns + column
            );
        }
        return at;
    }

    // Takes the step for one vector of units, stores the outputs and, at a row's last token, its final
    // states. Returns the new h.
    Vector advance(Forward &at, const Slice &slice, int64_t s, int64_t i, int64_t column) const {
        const TokenAddress address{layer, slice.group};
        const Vector h = Cell::forward(at);
        const int64_t left = H - column, row = address.row(i);
        store_part(address.y(s, i) + column, h, left);
        if constexpr (Cell::CELL_STATE) store(extra(c_, slice, s) + i * unit_columns + column, at.c);
        if (s + 1 == slice.group.lengths[i]) {
            store_part(layer.hn + row * H + column, h, left);
            if constexpr (Cell::CELL_STATE) store_part(layer.cn + row * H + column, at.c, left);
        }
        return h;
    }

    Scratch scratch_;
    float *separate_;

  private:
    void start_row(const Slice &slice, int64_t i, const float *initial, float *state, float *final) const {
        const int64_t row = slice.group.rows[i];
        for (int64_t j = 0; j < unit_columns; ++j) {
            const float value = initial && j < H ? initial[row * H + j] : 0.f;
            state[j] = value;
            if (slice.group.lengths[i] == 0 && j < H) final[row * H + j] = value;
        }
    }

    float *bias_, *bias_separate_, *c_;
};

}  // namespace seqlab
