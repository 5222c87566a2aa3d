// What every forward pass keeps of its rows, and a cell's step from one vector of it to the next.
#pragma once

#include "layer.hpp"

namespace seqlab {

template <class Cell>
class ForwardState : protected LayerPass<Cell> {
    using Base = LayerPass<Cell>;

  protected:
    using Base::H, Base::layer, Base::plan, Base::unit_columns, Base::gate_columns;

    ForwardState(const seqlab_layer &layer, int64_t threads, int64_t height) : Base(layer, threads, height) {}

    void want_state() {
        const int64_t rows = layer.B * unit_columns;
        scratch_.want(bias_, gate_columns);
        scratch_.want(bias_apart_, unit_columns);
        if (Cell::CELL_STATE) scratch_.want(c_, rows);
        if (Cell::APART) scratch_.want(apart_, rows);
    }

    // Elman layers need their outputs alone.
    bool keeps_gates() const { return layer.saved && Cell::KEEPS_GATES; }

    // One of the numbers kept for backward beside the gates: of a token, or of a row when nothing is kept.
    float *beside(float *of_rows, const Crew &crew, int64_t step) const {
        if (!layer.saved) return of_rows + crew.group.first * unit_columns;
        const int64_t gates = plan.tokens * gate_columns;
        return layer.saved + gates + crew.group.begin[step] * unit_columns;
    }

    void pack_bias() {
        for (int64_t g = 0; g < Cell::GATES; ++g)
            for (int64_t j = 0; j < unit_columns; ++j) {
                const bool apart = Cell::APART && g == Cell::GATES - 1;
                const float ih = layer.bias_ih && j < H ? layer.bias_ih[g * H + j] : 0.f;
                const float hh = layer.bias_hh && j < H ? layer.bias_hh[g * H + j] : 0.f;
                bias_[g * unit_columns + j] = apart ? ih : ih + hh;
                if (apart) bias_apart_[j] = hh;
            }
    }

    // A row's initial states, and what it ends with if it has no token: the same.
    void start_row(const Crew &crew, int64_t i, float *h) {
        start_row(crew, i, layer.h0, h, layer.hn);
        if constexpr (Cell::CELL_STATE)
            start_row(crew, i, layer.c0, c_ + (crew.group.first + i) * unit_columns, layer.cn);
    }

    // What a cell starts from in a vector of units. gates: of the row; h: of the step before, of the row.
    Forward before(const Crew &crew, int64_t s, int64_t row, int64_t column, float *gates, const float *h)
        const {
        Forward at{};
        at.gates = gates + column;
        at.gate = unit_columns;
        at.bias = bias_ + column;
        at.bias_apart = bias_apart_ + column;
        at.h = load(h + column);
        if constexpr (Cell::APART) at.apart = beside(apart_, crew, s) + row * unit_columns + column;
        if constexpr (Cell::CELL_STATE) {
            const bool first = s == 0 || !layer.saved;
            at.c = load(
                (first ? c_ + crew.group.first * unit_columns : beside(c_, crew, s - 1)) +
                row * unit_columns + column
            );
        }
        return at;
    }

    // Takes the step in a vector of units; returns the new h.
    Vector advance(Forward &at, const Crew &crew, int64_t s, int64_t i, int64_t column) const {
        const Place place{layer, crew.group};
        const Vector h = Cell::forward(at);
        const int64_t left = H - column, row = place.row(i);
        store_part(place.y(s, i) + column, h, left);
        if constexpr (Cell::CELL_STATE) store(beside(c_, crew, s) + i * unit_columns + column, at.c);
        if (s + 1 == crew.group.lengths[i]) {
            store_part(layer.hn + row * H + column, h, left);
            if constexpr (Cell::CELL_STATE) store_part(layer.cn + row * H + column, at.c, left);
        }
        return h;
    }

    Scratch scratch_;
    float *apart_;

  private:
    void start_row(const Crew &crew, int64_t i, const float *initial, float *state, float *final) const {
        const int64_t row = crew.group.rows[i];
        for (int64_t j = 0; j < unit_columns; ++j) {
            const float value = initial && j < H ? initial[row * H + j] : 0.f;
            state[j] = value;
            if (crew.group.lengths[i] == 0 && j < H) final[row * H + j] = value;
        }
    }

    float *bias_, *bias_apart_, *c_;
};

}  // namespace seqlab
