// What both backward passes share: gradients of states and biases, and a cell's backward step for one vector
// of units.
#pragma once

#include "layer.hpp"

namespace seqlab {

template <class Cell>
class BackwardState : protected LayerPass<Cell> {
    using Base = LayerPass<Cell>;

  protected:
    using Base::E, Base::H, Base::layer, Base::plan, Base::unit_columns, Base::gate_columns;

    static constexpr int LAST = Cell::GATES - 1;
    // Gates whose gradients are multiplied by U in one product; with two phases the last gate is multiplied
    // first, because the gradient of the reset gate depends on it.
    static constexpr int JOINT_GATES = Cell::TWO_PHASES ? LAST : Cell::GATES;

    BackwardState(const seqlab_layer &layer, int64_t threads, int64_t height)
        : Base(layer, threads, height) {}

    void reserve_state() {
        const int64_t rows = layer.B * unit_columns;
        scratch_.reserve(dh_, rows);
        if (Cell::CELL_STATE) scratch_.reserve(dc_, rows);
        if (Cell::TWO_PHASES) scratch_.reserve(dreset_, rows);
        scratch_.reserve(dbias_, plan.threads * bias_columns());
        scratch_.reserve(zeros_, std::max(E, unit_columns));
    }

    bool allocate_state() {
        if (!scratch_.allocate()) return false;
        extra_ = layer.saved + (Cell::SAVES_GATES ? plan.tokens * gate_columns : 0);
        std::memset(zeros_, 0, std::max(E, unit_columns) * sizeof(float));
        std::memset(dbias_, 0, plan.threads * bias_columns() * sizeof(float));
        return true;
    }

    // Each thread sums the gradients of the gates, and after them those of the separate product.
    int64_t bias_columns() const { return gate_columns + unit_columns; }
    float *dbias(const Member &me) const { return dbias_ + me.number * bias_columns(); }

    // The row of a weight matrix for a column of the gates; zeros for the columns that fill up a vector.
    const float *weight_row(const float *weight, int64_t K, int64_t column) const {
        const int64_t unit = column % unit_columns;
        return unit < H ? weight + (column / unit_columns * H + unit) * K : zeros_;
    }

    const float *h_before(const TokenAddress &address, int64_t s, int64_t i) const {
        if (s > 0) return address.y(s - 1, i);
        return layer.h0 ? layer.h0 + address.row(i) * H : zeros_;
    }

    float *dh(const Slice &slice, int64_t row) const {
        return dh_ + (slice.group.first + row) * unit_columns;
    }

    // The backward step for one vector of units, after the product with U was added to dh. gates, h_before:
    // of the row; gates are overwritten with their gradients.
    Backward step_back(
        const Slice &slice, int64_t s, int64_t row, int64_t column, float *gates, const float *h_before
    ) const {
        const TokenAddress address{layer, slice.group};
        const int64_t token = slice.group.begin[s] + row, batch = address.row(row), left = H - column;
        const bool last = row >= slice.group.active[s + 1];
        float *const dh = this->dh(slice, row) + column;
        Backward at{};
        at.gates = gates + column;
        at.gate = unit_columns;
        at.dh = last ? load_state(layer.dhn, batch, column) : load(dh);
        if (layer.dy)
            at.dh += load_part(address.at(layer.dy, layer.dy_row, layer.dy_step, s, row) + column, left);
        if (layer.dhidden)
            store_part(layer.dhidden + (batch * layer.T + address.time(s, row)) * H + column, at.dh, left);
        float *const dc = dc_ + (slice.group.first + row) * unit_columns + column;
        if constexpr (Cell::CELL_STATE) {
            at.dc = last ? load_state(layer.dcn, batch, column) : load(dc);
            at.c = load(extra_ + token * unit_columns + column);
            at.c_before = s ? load(extra_ + (slice.group.begin[s - 1] + row) * unit_columns + column)
                            : load_state(layer.c0, batch, column);
        } else if constexpr (Cell::GATES > 1) {
            at.h_before = load_part(h_before + column, left);
        } else {
            at.h = load_part(address.y(s, row) + column, left);
        }
        if constexpr (Cell::SEPARATE) at.separate = extra_ + token * unit_columns + column;
        Cell::backward(at);
        store(dh, at.dh);
        if constexpr (Cell::CELL_STATE) store(dc, at.dc);
        return at;
    }

    // The second phase, through r * h: writes r * h to `reset` for the weights' gradient, and returns the
    // gradient of the reset gate.
    Vector back_through_reset(
        const Slice &slice, int64_t row, int64_t column, float *gates, const float *h_before, float *reset
    ) const {
        float *const dh = this->dh(slice, row) + column;
        Backward at{};
        at.gates = gates + column;
        at.gate = unit_columns;
        at.dh = load(dh);
        at.h_before = load_part(h_before + column, H - column);
        const Vector drh = load(dreset_ + (slice.group.first + row) * unit_columns + column);
        store(reset + column, Cell::reset_backward(at, drh));
        store(dh, at.dh);
        return at.da[0];
    }

    // Writes the gradients of the initial states; for a row without tokens they are those of its final
    // states.
    void finish_states(const Slice &slice) const {
        const int64_t active = slice.group.steps() ? slice.group.active[0] : 0;
        const int64_t first = slice.units.begin * PANEL,
                      columns = std::min(H, slice.units.end * PANEL) - first;
        for (int64_t i = 0; i < slice.group.count(); ++i) {
            const auto finish = [&](float *to, const float *gradients, const float *final) {
                if (!to || columns <= 0) return;
                const int64_t at = slice.group.rows[i] * H + first;
                const float *from = i < active ? gradients + (slice.group.first + i) * unit_columns + first
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
                float ih = 0, separate = 0;
                for (int64_t thread = 0; thread < plan.threads; ++thread) {
                    const float *const sums = dbias_ + thread * bias_columns();
                    ih += sums[g * unit_columns + j];
                    separate += sums[gate_columns + j];
                }
                if (layer.dbias_ih) layer.dbias_ih[g * H + j] = ih;
                if (layer.dbias_hh) layer.dbias_hh[g * H + j] = Cell::SEPARATE && g == LAST ? separate : ih;
            }
    }

    Scratch scratch_;
    float *extra_, *dreset_;

  private:
    // A vector of a row of (B, H) states, or zeros if `states` is null.
    Vector load_state(const float *states, int64_t batch, int64_t column) const {
        return states ? load_part(states + batch * H + column, H - column) : Vector{};
    }

    float *dh_, *dc_ = nullptr, *dbias_, *zeros_;
};

}  // namespace seqlab
