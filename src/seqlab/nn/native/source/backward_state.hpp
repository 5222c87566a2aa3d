// What every backward pass keeps of its rows, and a cell's step back in one vector of it.
#pragma once

#include "layer.hpp"

namespace seqlab {

template <class Cell>
class BackwardState : protected LayerPass<Cell> {
    using Base = LayerPass<Cell>;

  protected:
    using Base::E, Base::H, Base::layer, Base::plan, Base::unit_columns, Base::gate_columns;

    static constexpr int LAST = Cell::GATES - 1;
    // Gates whose recurrent products come at once; the last one's comes before them if there are two phases.
    static constexpr int TOGETHER = Cell::TWO_PHASES ? LAST : Cell::GATES;

    BackwardState(const seqlab_layer &layer, int64_t threads, int64_t height)
        : Base(layer, threads, height) {}

    void want_state() {
        const int64_t rows = layer.B * unit_columns;
        scratch_.want(dh_, rows);
        if (Cell::CELL_STATE) scratch_.want(dc_, rows);
        if (Cell::TWO_PHASES) scratch_.want(dreset_, rows);
        scratch_.want(dbias_, plan.threads * bias_columns());
        scratch_.want(zeros_, std::max(E, unit_columns));
    }

    bool allocate_state() {
        if (!scratch_.allocate()) return false;
        beside_ = layer.saved + (Cell::KEEPS_GATES ? plan.tokens * gate_columns : 0);
        std::memset(zeros_, 0, std::max(E, unit_columns) * sizeof(float));
        std::memset(dbias_, 0, plan.threads * bias_columns() * sizeof(float));
        return true;
    }

    // Of each thread: sums of the gates' gradients, and of the product that is kept apart.
    int64_t bias_columns() const { return gate_columns + unit_columns; }
    float *dbias(const Member &me) const { return dbias_ + me.number * bias_columns(); }

    // A row of a weight matrix by the column of the gates it makes.
    const float *weight_row(const float *weight, int64_t K, int64_t column) const {
        const int64_t unit = column % unit_columns;
        return unit < H ? weight + (column / unit_columns * H + unit) * K : zeros_;
    }

    const float *h_before(const Place &place, int64_t s, int64_t i) const {
        if (s > 0) return place.y(s - 1, i);
        return layer.h0 ? layer.h0 + place.row(i) * H : zeros_;
    }

    float *dh(const Crew &crew, int64_t row) const { return dh_ + (crew.group.first + row) * unit_columns; }

    // The step back in a vector of units, behind what came through U. gates: of the row, replaced by their
    // gradients; h_before: of the row.
    Backward back(
        const Crew &crew, int64_t s, int64_t row, int64_t column, float *gates, const float *h_before
    ) const {
        const Place place{layer, crew.group};
        const int64_t token = crew.group.begin[s] + row, batch = place.row(row), left = H - column;
        const bool last = row >= crew.group.active[s + 1];
        float *const dh = this->dh(crew, row) + column;
        Backward at{};
        at.gates = gates + column;
        at.gate = unit_columns;
        at.dh = last ? part(layer.dhn, batch, column) : load(dh);
        if (layer.dy)
            at.dh += load_part(place.at(layer.dy, layer.dy_row, layer.dy_step, s, row) + column, left);
        if (layer.dhidden)
            store_part(layer.dhidden + (batch * layer.T + place.time(s, row)) * H + column, at.dh, left);
        float *const dc = dc_ + (crew.group.first + row) * unit_columns + column;
        if constexpr (Cell::CELL_STATE) {
            at.dc = last ? part(layer.dcn, batch, column) : load(dc);
            at.c = load(beside_ + token * unit_columns + column);
            at.c_before = s ? load(beside_ + (crew.group.begin[s - 1] + row) * unit_columns + column)
                            : part(layer.c0, batch, column);
        } else if constexpr (Cell::GATES > 1) {
            at.h_before = load_part(h_before + column, left);
        } else {
            at.h = load_part(place.y(s, row) + column, left);
        }
        if constexpr (Cell::APART) at.apart = beside_ + token * unit_columns + column;
        Cell::backward(at);
        store(dh, at.dh);
        if constexpr (Cell::CELL_STATE) store(dc, at.dc);
        return at;
    }

    // The same through r * h, of which it writes the value for the weights' gradient; returns the reset
    // gate's.
    Vector back_through_reset(
        const Crew &crew, int64_t row, int64_t column, float *gates, const float *h_before, float *reset
    ) const {
        float *const dh = this->dh(crew, row) + column;
        Backward at{};
        at.gates = gates + column;
        at.gate = unit_columns;
        at.dh = load(dh);
        at.h_before = load_part(h_before + column, H - column);
        const Vector drh = load(dreset_ + (crew.group.first + row) * unit_columns + column);
        store(reset + column, Cell::reset_backward(at, drh));
        store(dh, at.dh);
        return at.da[0];
    }

    // The gradients of the initial states; those of rows without a token are their final ones'.
    void finish_states(const Crew &crew) const {
        const int64_t active = crew.group.steps() ? crew.group.active[0] : 0;
        const int64_t first = crew.units.begin * PANEL, columns = std::min(H, crew.units.end * PANEL) - first;
        for (int64_t i = 0; i < crew.group.count(); ++i) {
            const auto finish = [&](float *to, const float *gradients, const float *final) {
                if (!to || columns <= 0) return;
                const int64_t at = crew.group.rows[i] * H + first;
                const float *from = i < active ? gradients + (crew.group.first + i) * unit_columns + first
                                    : final    ? final + at
                                               : zeros_;
                std::memcpy(to + at, from, columns * sizeof(float));
            };
            finish(layer.dh0, dh_, layer.dhn);
            if constexpr (Cell::CELL_STATE) finish(layer.dc0, dc_, layer.dcn);
        }
    }

    void sum_bias() const {
        for (int64_t g = 0; g < Cell::GATES; ++g)
            for (int64_t j = 0; j < H; ++j) {
                float ih = 0, apart = 0;
                for (int64_t thread = 0; thread < plan.threads; ++thread) {
                    const float *const sums = dbias_ + thread * bias_columns();
                    ih += sums[g * unit_columns + j];
                    apart += sums[gate_columns + j];
                }
                if (layer.dbias_ih) layer.dbias_ih[g * H + j] = ih;
                if (layer.dbias_hh) layer.dbias_hh[g * H + j] = Cell::APART && g == LAST ? apart : ih;
            }
    }

    Scratch scratch_;
    float *beside_, *dreset_;

  private:
    // Of a row of states in the batch's order, or zeros where there are none.
    Vector part(const float *states, int64_t batch, int64_t column) const {
        return states ? load_part(states + batch * H + column, H - column) : Vector{};
    }

    float *dh_, *dc_ = nullptr, *dbias_, *zeros_;
};

}  // namespace seqlab
