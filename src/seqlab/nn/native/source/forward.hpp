// The forward pass of a layer whose weights do not fit into a core's caches. For each group of rows W x of a
// few steps is computed in one product, then the recurrence takes these steps while the projections are in
// the cache.
#pragma once

#include "forward_state.hpp"

namespace seqlab {

template <class Cell>
class ForwardPass : ForwardState<Cell> {
    using Base = ForwardState<Cell>;
    using Base::E, Base::H, Base::layer, Base::plan, Base::unit_columns, Base::gate_columns;
    using Base::saves_gates, Base::extra, Base::scratch_, Base::separate_;

  public:
    ForwardPass(const seqlab_layer &layer, int64_t threads)
        : Base(layer, threads, layer.B), x_rows_(static_cast<size_t>(plan.tokens)) {}

    bool allocate() {
        const int64_t rows = layer.B * unit_columns;
        scratch_.reserve(input_panels_, gate_columns * E);
        scratch_.reserve(hidden_panels_, gate_columns * H);
        Base::reserve_state();
        scratch_.reserve(packed_[0], rows);
        scratch_.reserve(packed_[1], rows);
        if (Cell::TWO_PHASES) scratch_.reserve(packed_reset_, rows);
        scratch_.reserve(h_, rows);
        scratch_.reserve(strips_, plan.threads * STRIP_FLOATS);
        if (!saves_gates())
            for (const Group &group : plan.groups)
                chunk_floats_ = std::max(chunk_floats_, most_tokens(group) * gate_columns);
        scratch_.reserve(chunks_, chunk_floats_ * static_cast<int64_t>(plan.groups.size()));
        return scratch_.allocate();
    }

    void run(const Member &me) {
        pack_weights(me);
        Barrier single(1);
        const Slice slice = Base::slice(me, single);
        const TokenAddress address{layer, slice.group};
        Base::each_token(slice, [&](int64_t s, int64_t i, int64_t token) {
            x_rows_[token] = address.x(s, i);
        });
        start(slice);
        me.barrier.wait();
        float *now = packed_[0] + slice.group.first * unit_columns,
              *next = packed_[1] + slice.group.first * unit_columns;
        const int64_t chunk = chunk_steps(slice.group);
        for (int64_t s = 0; s < slice.group.steps(); ++s) {
            if (s % chunk == 0) project(me, slice, s, std::min(s + chunk, slice.group.steps()));
            step(slice, s, gates_at(me, slice, s, s / chunk * chunk), now, next);
            slice.me.barrier.wait();
            std::swap(now, next);
        }
        Base::zero_padding(slice, layer.y, layer.y_row, layer.y_step, H);
    }

  private:
    // Steps whose inputs are projected at once: enough tokens to reuse a panel of weights several times.
    static int64_t chunk_steps(const Group &group) {
        return std::max<int64_t>(1, GROUP * STRIP / std::max<int64_t>(1, group.count()));
    }
    static int64_t most_tokens(const Group &group) { return chunk_steps(group) * group.count(); }

    float *gates_at(const Member &me, const Slice &slice, int64_t step, int64_t chunk_begin) const {
        const int64_t token = slice.group.begin[step];
        if (saves_gates()) return layer.saved + token * gate_columns;
        float *const area = chunks_ + (plan.by_rows ? me.number : 0) * chunk_floats_;
        return area + (token - slice.group.begin[chunk_begin]) * gate_columns;
    }

    // Panels are stored unit by unit, and for each of those gate by gate: the weights of a thread's units are
    // contiguous, and a step computes all gates of a panel of units before the next.
    const float *panel(const float *panels_of, int64_t unit, int64_t gate, int64_t K) const {
        return panels_of + (unit * PANEL * Cell::GATES + gate * panel_width(H - unit * PANEL)) * K;
    }

    void pack_weights(const Member &me) {
        for (int64_t q = me.number; q < panels(H) * Cell::GATES; q += me.size) {
            const int64_t unit = q / Cell::GATES, gate = q % Cell::GATES, first = unit * PANEL;
            const int64_t columns = std::min<int64_t>(PANEL, H - first);
            const auto pack = [&](const float *weight, int64_t K, float *to) {
                const auto row = [&](int64_t j) { return weight + (gate * H + j) * K; };
                pack_panel_of_columns(row, 0, K, first, columns, to + (panel(to, unit, gate, K) - to));
            };
            pack(layer.weight_ih, E, input_panels_);
            pack(layer.weight_hh, H, hidden_panels_);
        }
        if (me.number == 0) Base::pack_bias();
    }

    void start(const Slice &slice) {
        const Range strips = slice.me.share(slice.group.strip_count());
        for (int64_t number = strips.begin; number < strips.end; ++number) {
            const Strip strip = slice.group.strip(number, slice.group.count());
            for (int64_t i = strip.begin; i < strip.begin + strip.height; ++i) {
                float *const h = h_ + (slice.group.first + i) * unit_columns;
                float *const packed =
                    packed_[0] + (slice.group.first + strip.begin) * unit_columns + i - strip.begin;
                Base::start_row(slice, i, h);
                for (int64_t j = 0; j < unit_columns; ++j) packed[j * strip.height] = h[j];
            }
        }
    }

    // Computes W x of the group's tokens from first_step to end_step - 1, for this thread's units.
    void project(const Member &me, const Slice &slice, int64_t first_step, int64_t end_step) {
        const int64_t first = slice.group.begin[first_step], end = slice.group.begin[end_step];
        float *const gates = gates_at(me, slice, first_step, first_step);
        float *const packed = strips_ + me.number * STRIP_FLOATS;
        const Depths depths(E);
        for (int64_t begin = first; begin < end; begin += GROUP * STRIP) {
            const Strips strips(1, std::min<int64_t>(GROUP * STRIP, end - begin));
            const Pieces group = strips.pieces(0, strips.count);
            const auto row = [&](const Piece &piece, int i) { return x_rows_[begin + piece.first + i]; };
            // At least once, so that the gates of a layer without inputs (E = 0) are set to zero.
            for (int64_t block = 0; block < std::max<int64_t>(1, depths.count); ++block) {
                const int64_t k0 = depths.begin(block), k = depths.size(block);
                pack_rows(group, row, k0, k, packed);
                for (int64_t unit = slice.units.begin; unit < slice.units.end; ++unit) {
                    const int width = panel_width(H - unit * PANEL);
                    for (int64_t g = 0; g < Cell::GATES; ++g) {
                        const float *const weights = panel(input_panels_, unit, g, E) + k0 * width;
                        for (int s = 0; s < group.count; ++s) {
                            const int rows = group.pieces[s].height;
                            float *const to = gates + (begin - first + group.pieces[s].first) * gate_columns +
                                              g * unit_columns + unit * PANEL;
                            for (int i = 0; i < rows; ++i) prefetch(to + i * gate_columns, width);
                            multiply_for(rows, width, s == 0)(
                                k, packed + s * STRIP * k, rows, weights, to, gate_columns, block == 0
                            );
                        }
                    }
                }
            }
        }
    }

    // One step of the recurrence. now, next: h of the previous and of this step, packed in strips. They are
    // two buffers, because other threads still read `now` while this one writes its units of `next`.
    void step(const Slice &slice, int64_t s, float *gates, const float *now, float *next) {
        constexpr int FIRST = Cell::TWO_PHASES ? Cell::GATES - 1 : Cell::GATES;
        const bool zero_state = s == 0 && !layer.h0;
        for (int64_t unit = slice.units.begin; unit < slice.units.end; ++unit) {
            for (int g = 0; g < FIRST; ++g) add_recurrent(slice, s, unit, g, gates, now, zero_state);
            slice.group.each_strip(slice.group.active[s], [&](const Strip &strip) {
                if constexpr (Cell::TWO_PHASES)
                    activate(
                        slice, s, unit, strip, gates, packed_reset_ + slice.group.first * unit_columns,
                        [](Forward &at, int64_t, int64_t) { return Cell::reset(at); }
                    );
                else
                    finish(slice, s, unit, strip, gates, next);
            });
        }
        if constexpr (Cell::TWO_PHASES) {
            slice.me.barrier.wait();
            for (int64_t unit = slice.units.begin; unit < slice.units.end; ++unit) {
                add_recurrent(
                    slice, s, unit, FIRST, gates, packed_reset_ + slice.group.first * unit_columns, zero_state
                );
                slice.group.each_strip(slice.group.active[s], [&](const Strip &strip) {
                    finish(slice, s, unit, strip, gates, next);
                });
            }
        }
    }

    // Adds U h of one gate to its projections. zero_state: h is zero, and the product is left out.
    void add_recurrent(
        const Slice &slice, int64_t s, int64_t unit, int g, float *gates, const float *h, bool zero_state
    ) {
        const bool separate = Cell::SEPARATE && g == Cell::GATES - 1;
        const int64_t active = slice.group.active[s];
        const int width = panel_width(H - unit * PANEL);
        float *to = gates + g * unit_columns + unit * PANEL;
        int64_t to_row = gate_columns;
        if (separate) to = extra(separate_, slice, s) + unit * PANEL, to_row = unit_columns;
        if (zero_state) {
            if (separate)
                for (int64_t i = 0; i < active; ++i)
                    std::memset(to + i * to_row, 0, static_cast<size_t>(width) * sizeof(float));
            return;
        }
        // The projections that the next call adds to are prefetched meanwhile.
        const float *const next_gates =
            g + 1 < Cell::GATES ? gates + (g + 1) * unit_columns + unit * PANEL : gates + (unit + 1) * PANEL;
        const bool has_next = g + 1 < Cell::GATES || unit + 1 < slice.units.end;
        Base::multiply_strips(
            slice.group, active, H, h, unit_columns, 0, panel(hidden_panels_, unit, g, H), width, to, to_row,
            separate,
            [&](const Strip &strip) {
                for (int i = 0; has_next && i < strip.rows; ++i)
                    prefetch(next_gates + (strip.begin + i) * gate_columns, width);
            }
        );
    }

    void finish(const Slice &slice, int64_t s, int64_t unit, const Strip &strip, float *gates, float *next) {
        activate(slice, s, unit, strip, gates, next, [&](Forward &at, int64_t i, int64_t column) {
            const Vector h = Base::advance(at, slice, s, i, column);
            store(h_ + (slice.group.first + i) * unit_columns + column, h);
            return h;
        });
    }

    // Calls cell(vector, row, column) for every vector of a strip's rows in one panel of units, and packs
    // what it returns for the next product.
    template <class CellPart>
    void activate(
        const Slice &slice, int64_t s, int64_t unit, const Strip &strip, float *gates, float *packed,
        CellPart cell
    ) {
        for (int64_t column = unit * PANEL; column < std::min(unit_columns, (unit + 1) * PANEL);
             column += WIDTH) {
            alignas(64) float square[STRIP][WIDTH];
            for (int i = 0; i < strip.rows; ++i) {
                const int64_t row = strip.begin + i;
                Forward at = Base::load_step(
                    slice, s, row, column, gates + row * gate_columns,
                    h_ + (slice.group.first + row) * unit_columns
                );
                store(square[i], cell(at, row, column));
            }
            store_strip(
                packed + strip.begin * unit_columns + column * strip.height, strip.height, strip.rows, WIDTH,
                square
            );
        }
    }

    float *input_panels_, *hidden_panels_, *packed_[2], *packed_reset_, *h_, *strips_, *chunks_;
    int64_t chunk_floats_ = 0;
    std::vector<const float *> x_rows_;
};

}  // namespace seqlab
