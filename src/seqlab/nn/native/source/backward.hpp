// The backward pass of a layer whose weights do not fit into a core's caches: the recurrence from the last
// step to the first computes the gradients of all pre-activations; then the gradients of the weights and of
// the input are products over all tokens.
#pragma once

#include "backward_state.hpp"

namespace seqlab {

template <class Cell>
class BackwardPass : BackwardState<Cell> {
    using Base = BackwardState<Cell>;
    using Base::E, Base::H, Base::layer, Base::plan, Base::unit_columns, Base::gate_columns;
    using Base::LAST, Base::JOINT_GATES, Base::scratch_, Base::extra_, Base::dreset_;

  public:
    BackwardPass(const seqlab_layer &layer, int64_t threads)
        : Base(layer, threads, layer.B),
          x_rows_(plan.tokens),
          dx_rows_(layer.dx ? plan.tokens : 0),
          h_rows_(plan.tokens) {}

    bool allocate() {
        Base::reserve_state();
        scratch_.reserve(panels_, gate_columns * unit_columns);
        scratch_.reserve(packed_[0], layer.B * gate_columns);
        scratch_.reserve(packed_[1], layer.B * gate_columns);
        if (Cell::TWO_PHASES) scratch_.reserve(reset_, plan.tokens * unit_columns);
        if (!Cell::SAVES_GATES) scratch_.reserve(gates_, plan.tokens * gate_columns);
        scratch_.reserve(product_panels_, panel_floats(std::max(E, H)));
        scratch_.reserve(product_strips_, plan.threads * STRIP_FLOATS);
        if (!Base::allocate_state()) return false;
        if (Cell::SAVES_GATES) gates_ = layer.saved;
        return true;
    }

    void run(const Member &me) {
        Barrier single(1);
        const Slice slice = Base::slice(me, single);
        pack_weights(me);
        find_rows(slice);
        me.barrier.wait();
        float *now = packed_[0] + slice.group.first * gate_columns,
              *next = packed_[1] + slice.group.first * gate_columns;
        for (int64_t s = slice.group.steps() - 1; s >= 0; --s) {
            step(me, slice, s, now, next);
            slice.me.barrier.wait();
            std::swap(now, next);
        }
        finish_states(slice, now);
        if (layer.dx) Base::zero_padding(slice, layer.dx, layer.dx_row, layer.dx_step, E);
        if (layer.dhidden) Base::zero_padding(slice, layer.dhidden, layer.T * H, H, H);
        me.barrier.wait();
        differentiate_weights(me);
        differentiate_input(me);
        if (me.number == 0) Base::sum_bias();
    }

  private:
    // U as panels of units; each contains the rows of all gates.
    const float *panel(int64_t unit) const { return panels_ + unit * PANEL * gate_columns; }

    void pack_weights(const Member &me) {
        const Range mine = me.share(panels(H));
        pack_panels_of_rows(
            [&](int64_t k) { return Base::weight_row(layer.weight_hh, H, k); }, 0, gate_columns, H,
            mine.begin, mine.end, panels_
        );
    }

    void find_rows(const Slice &slice) {
        const TokenAddress address{layer, slice.group};
        Base::each_token(slice, [&](int64_t s, int64_t i, int64_t token) {
            x_rows_[token] = address.x(s, i);
            if (layer.dx) dx_rows_[token] = address.at(layer.dx, layer.dx_row, layer.dx_step, s, i);
            h_rows_[token] = Base::h_before(address, s, i);
        });
    }

    void step(const Member &me, const Slice &slice, int64_t s, const float *now, float *next) {
        const int64_t continuing = slice.group.active[s + 1], active = slice.group.active[s];
        float *const dbias = Base::dbias(me);
        for (int64_t unit = slice.units.begin; unit < slice.units.end; ++unit) {
            add_recurrent(slice, continuing, unit, now, s);
            // Rows whose last token is at this step start here, from dhn: they have no product, and their
            // numbers were not prefetched with one.
            slice.group.each_strip(active, [&](const Strip &strip) {
                gates_backward(slice, s, unit, strip, next, dbias);
            });
        }
        if constexpr (Cell::TWO_PHASES) {
            slice.me.barrier.wait();
            for (int64_t unit = slice.units.begin; unit < slice.units.end; ++unit) {
                const int width = panel_width(H - unit * PANEL);
                Base::multiply_strips(
                    slice.group, active, unit_columns, next, gate_columns, LAST * unit_columns,
                    panel(unit) + LAST * unit_columns * width, width,
                    dreset_ + slice.group.first * unit_columns + unit * PANEL, unit_columns, true,
                    [](const Strip &) {}
                );
                slice.group.each_strip(active, [&](const Strip &strip) {
                    reset_backward(slice, s, unit, strip, next, dbias);
                });
            }
        }
    }

    // Adds the gradient that flows from the following step through U to dL/dh of the first `rows` rows. s:
    // the step whose numbers are prefetched meanwhile, or -1.
    void add_recurrent(const Slice &slice, int64_t rows, int64_t unit, const float *now, int64_t s) {
        const int width = panel_width(H - unit * PANEL);
        Base::multiply_strips(
            slice.group, rows, JOINT_GATES * unit_columns, now, gate_columns, 0, panel(unit), width,
            Base::dh(slice, 0) + unit * PANEL, unit_columns, false,
            [&](const Strip &strip) {
                for (int i = 0; s >= 0 && i < strip.rows; ++i)
                    prefetch_token(slice, s, strip.begin + i, unit, width);
            }
        );
    }

    void prefetch_token(const Slice &slice, int64_t s, int64_t i, int64_t unit, int width) const {
        const int64_t token = slice.group.begin[s] + i, column = unit * PANEL;
        for (int g = 0; g < Cell::GATES; ++g)
            prefetch(gates_ + token * gate_columns + g * unit_columns + column, width);
        if (Cell::CELL_STATE || Cell::SEPARATE) prefetch(extra_ + token * unit_columns + column, width);
        const TokenAddress address{layer, slice.group};
        if (layer.dy) prefetch(address.at(layer.dy, layer.dy_row, layer.dy_step, s, i) + column, width);
        if (!Cell::CELL_STATE) prefetch((Cell::GATES > 1 ? h_rows_[token] : address.y(s, i)) + column, width);
    }

    void gates_backward(
        const Slice &slice, int64_t s, int64_t unit, const Strip &strip, float *next, float *dbias
    ) {
        for (int64_t column = unit * PANEL; column < std::min(unit_columns, (unit + 1) * PANEL);
             column += WIDTH) {
            alignas(64) float squares[4][STRIP][WIDTH];
            Vector sums[4] = {};
            for (int i = 0; i < strip.rows; ++i) {
                const int64_t row = strip.begin + i, token = slice.group.begin[s] + row;
                const Backward at =
                    Base::step_back(slice, s, row, column, gates_ + token * gate_columns, h_rows_[token]);
                for (int g = Cell::TWO_PHASES; g < Cell::GATES + Cell::SEPARATE; ++g) {
                    sums[g] += at.da[g];
                    store(squares[g][i], at.da[g]);
                }
            }
            for (int g = Cell::TWO_PHASES; g < Cell::GATES + Cell::SEPARATE; ++g)
                store(dbias + g * unit_columns + column, load(dbias + g * unit_columns + column) + sums[g]);
            // U is multiplied by the gradient of its own product, which differs from that of the
            // pre-activation where the reset gate multiplies the product.
            for (int g = Cell::TWO_PHASES; g < Cell::GATES; ++g)
                pack(next, strip, g, column, squares[Cell::SEPARATE && g == LAST ? g + 1 : g]);
        }
    }

    void reset_backward(
        const Slice &slice, int64_t s, int64_t unit, const Strip &strip, float *next, float *dbias
    ) {
        for (int64_t column = unit * PANEL; column < std::min(unit_columns, (unit + 1) * PANEL);
             column += WIDTH) {
            alignas(64) float square[STRIP][WIDTH];
            Vector sum{};
            for (int i = 0; i < strip.rows; ++i) {
                const int64_t row = strip.begin + i, token = slice.group.begin[s] + row;
                const Vector da = Base::back_through_reset(
                    slice, row, column, gates_ + token * gate_columns, h_rows_[token],
                    reset_ + token * unit_columns
                );
                sum += da;
                store(square[i], da);
            }
            store(dbias + column, load(dbias + column) + sum);
            pack(next, strip, 0, column, square);
        }
    }

    void pack(float *packed, const Strip &strip, int64_t gate, int64_t column, const float (*square)[WIDTH])
        const {
        float *const to = packed + strip.begin * gate_columns + (gate * unit_columns + column) * strip.height;
        store_strip(to, strip.height, strip.rows, WIDTH, square);
    }

    void finish_states(const Slice &slice, const float *now) {
        if (!layer.dh0 && !layer.dc0) return;
        const int64_t active = slice.group.steps() ? slice.group.active[0] : 0;
        for (int64_t unit = slice.units.begin; unit < slice.units.end; ++unit)
            add_recurrent(slice, active, unit, now, -1);
        Base::finish_states(slice);
    }

    // Computes the rows of gates first .. first + count - 1 of a weight's gradient: the gates' gradients,
    // transposed, times the factors that the weight multiplied, one per token.
    void differentiate(
        const Member &me, float *dweight, int64_t N, int64_t first, int64_t count, const float *gradients,
        int64_t row, const std::vector<const float *> &factors
    ) {
        const Strips strips(count, H);
        product(
            me, strips, N, plan.tokens, product_panels_, product_strips_ + me.number * STRIP_FLOATS,
            [&](const Pieces &group, int64_t k0, int64_t k, float *to) {
                pack_columns(
                    group, [&](int64_t token) { return gradients + token * row; }, unit_columns, k0, k, to
                );
            },
            [&](const Range &range, int64_t k0, int64_t k, float *to) {
                pack_panels_of_rows(
                    [&](int64_t token) { return factors[token]; }, k0, k, N, range.begin, range.end, to
                );
            },
            [&](const Piece &piece, int i) {
                return dweight + ((first + piece.part) * H + piece.first + i) * N;
            }
        );
    }

    void differentiate_weights(const Member &me) {
        if (layer.dweight_ih)
            differentiate(me, layer.dweight_ih, E, 0, Cell::GATES, gates_, gate_columns, x_rows_);
        if (!layer.dweight_hh) return;
        constexpr bool one_factor = !Cell::TWO_PHASES && !Cell::SEPARATE;
        differentiate(
            me, layer.dweight_hh, H, 0, one_factor ? Cell::GATES : LAST, gates_, gate_columns, h_rows_
        );
        if constexpr (Cell::SEPARATE)
            differentiate(me, layer.dweight_hh, H, LAST, 1, extra_, unit_columns, h_rows_);
        if constexpr (Cell::TWO_PHASES) {
            const Range mine = me.share(plan.tokens);
            for (int64_t token = mine.begin; token < mine.end; ++token)
                h_rows_[token] = reset_ + token * unit_columns;
            me.barrier.wait();
            differentiate(
                me, layer.dweight_hh, H, LAST, 1, gates_ + LAST * unit_columns, gate_columns, h_rows_
            );
        }
    }

    void differentiate_input(const Member &me) {
        if (!layer.dx) return;
        const Strips strips(1, plan.tokens);
        product(
            me, strips, E, gate_columns, product_panels_, product_strips_ + me.number * STRIP_FLOATS,
            [&](const Pieces &group, int64_t k0, int64_t k, float *to) {
                pack_rows(
                    group,
                    [&](const Piece &piece, int i) { return gates_ + (piece.first + i) * gate_columns; }, k0,
                    k, to
                );
            },
            [&](const Range &range, int64_t k0, int64_t k, float *to) {
                pack_panels_of_rows(
                    [&](int64_t c) { return Base::weight_row(layer.weight_ih, E, c); }, k0, k, E, range.begin,
                    range.end, to
                );
            },
            [&](const Piece &piece, int i) { return dx_rows_[piece.first + i]; }
        );
    }

    float *panels_, *packed_[2], *reset_, *gates_, *product_panels_, *product_strips_;
    std::vector<const float *> x_rows_;
    std::vector<float *> dx_rows_;
    std::vector<const float *> h_rows_;
};

}  // namespace seqlab
