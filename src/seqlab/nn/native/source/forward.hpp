// The forward pass of one layer: per group of rows, some steps' inputs are projected, then those steps are
// taken while the projections are still in the cache.
#pragma once

#include "forward_state.hpp"

namespace seqlab {

template <class Cell>
class ForwardPass : ForwardState<Cell> {
    using Base = ForwardState<Cell>;
    using Base::E, Base::H, Base::layer, Base::plan, Base::unit_columns, Base::gate_columns;
    using Base::keeps_gates, Base::beside, Base::scratch_, Base::apart_;

  public:
    ForwardPass(const seqlab_layer &layer, int64_t threads)
        : Base(layer, threads, layer.B), x_rows_(static_cast<size_t>(plan.tokens)) {}

    bool allocate() {
        const int64_t rows = layer.B * unit_columns;
        scratch_.want(input_panels_, gate_columns * E);
        scratch_.want(hidden_panels_, gate_columns * H);
        Base::want_state();
        scratch_.want(packed_[0], rows);
        scratch_.want(packed_[1], rows);
        if (Cell::TWO_PHASES) scratch_.want(packed_reset_, rows);
        scratch_.want(h_, rows);
        scratch_.want(strips_, plan.threads * STRIP_FLOATS);
        if (!keeps_gates())
            for (const Group &group : plan.groups)
                chunk_floats_ = std::max(chunk_floats_, most_tokens(group) * gate_columns);
        scratch_.want(chunks_, chunk_floats_ * static_cast<int64_t>(plan.groups.size()));
        return scratch_.allocate();
    }

    void run(const Member &me) {
        pack_weights(me);
        Barrier alone(1);
        const Crew crew = Base::crew(me, alone);
        const Place place{layer, crew.group};
        Base::each_token(crew, [&](int64_t s, int64_t i, int64_t token) { x_rows_[token] = place.x(s, i); });
        start(crew);
        me.barrier.wait();
        float *now = packed_[0] + crew.group.first * unit_columns,
              *next = packed_[1] + crew.group.first * unit_columns;
        const int64_t chunk = chunk_steps(crew.group);
        for (int64_t s = 0; s < crew.group.steps(); ++s) {
            if (s % chunk == 0) project(me, crew, s, std::min(s + chunk, crew.group.steps()));
            step(crew, s, gates_at(me, crew, s, s / chunk * chunk), now, next);
            crew.me.barrier.wait();
            std::swap(now, next);
        }
        Base::zero_padding(crew, layer.y, layer.y_row, layer.y_step, H);
    }

  private:
    // Steps projected at once: enough tokens to use a panel of weights several times.
    static int64_t chunk_steps(const Group &group) {
        return std::max<int64_t>(1, GROUP * STRIP / std::max<int64_t>(1, group.count()));
    }
    static int64_t most_tokens(const Group &group) { return chunk_steps(group) * group.count(); }

    float *gates_at(const Member &me, const Crew &crew, int64_t step, int64_t chunk_begin) const {
        const int64_t token = crew.group.begin[step];
        if (keeps_gates()) return layer.saved + token * gate_columns;
        float *const area = chunks_ + (plan.by_rows ? me.number : 0) * chunk_floats_;
        return area + (token - crew.group.begin[chunk_begin]) * gate_columns;
    }

    // Panels lie unit by unit, in each gate by gate, so that a thread's units are one piece.
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

    void start(const Crew &crew) {
        const Range strips = crew.me.share(crew.group.strip_count());
        for (int64_t number = strips.begin; number < strips.end; ++number) {
            const Strip strip = crew.group.strip(number, crew.group.count());
            for (int64_t i = strip.begin; i < strip.begin + strip.height; ++i) {
                float *const h = h_ + (crew.group.first + i) * unit_columns;
                float *const packed =
                    packed_[0] + (crew.group.first + strip.begin) * unit_columns + i - strip.begin;
                Base::start_row(crew, i, h);
                for (int64_t j = 0; j < unit_columns; ++j) packed[j * strip.height] = h[j];
            }
        }
    }

    // W x of the group's tokens of some steps, for this thread's units.
    void project(const Member &me, const Crew &crew, int64_t first_step, int64_t end_step) {
        const int64_t first = crew.group.begin[first_step], end = crew.group.begin[end_step];
        float *const gates = gates_at(me, crew, first_step, first_step);
        float *const packed = strips_ + me.number * STRIP_FLOATS;
        const Depths depths(E);
        for (int64_t begin = first; begin < end; begin += GROUP * STRIP) {
            const Strips strips(1, std::min<int64_t>(GROUP * STRIP, end - begin));
            const Pieces group = strips.pieces(0, strips.count);
            const auto row = [&](const Piece &piece, int i) { return x_rows_[begin + piece.first + i]; };
            // Once at least, so that a layer without inputs starts from zeros.
            for (int64_t block = 0; block < std::max<int64_t>(1, depths.count); ++block) {
                const int64_t k0 = depths.at(block), k = depths.of(block);
                pack_rows(group, row, k0, k, packed);
                for (int64_t unit = crew.units.begin; unit < crew.units.end; ++unit) {
                    const int width = panel_width(H - unit * PANEL);
                    for (int64_t g = 0; g < Cell::GATES; ++g) {
                        const float *const weights = panel(input_panels_, unit, g, E) + k0 * width;
                        for (int s = 0; s < group.count; ++s) {
                            const int rows = group.of[s].height;
                            float *const to = gates + (begin - first + group.of[s].first) * gate_columns +
                                              g * unit_columns + unit * PANEL;
                            for (int i = 0; i < rows; ++i) fetch(to + i * gate_columns, width);
                            multiply_for(rows, width, s == 0)(
                                k, packed + s * STRIP * k, rows, weights, to, gate_columns, block == 0
                            );
                        }
                    }
                }
            }
        }
    }

    void step(const Crew &crew, int64_t s, float *gates, const float *now, float *next) {
        constexpr int FIRST = Cell::TWO_PHASES ? Cell::GATES - 1 : Cell::GATES;
        const bool still = s == 0 && !layer.h0;
        for (int64_t unit = crew.units.begin; unit < crew.units.end; ++unit) {
            for (int g = 0; g < FIRST; ++g) recur(crew, s, unit, g, gates, now, still);
            crew.group.each_strip(crew.group.active[s], [&](const Strip &strip) {
                if constexpr (Cell::TWO_PHASES)
                    activate(
                        crew, s, unit, strip, gates, packed_reset_ + crew.group.first * unit_columns,
                        [](Forward &at, int64_t, int64_t) { return Cell::reset(at); }
                    );
                else
                    finish(crew, s, unit, strip, gates, next);
            });
        }
        if constexpr (Cell::TWO_PHASES) {
            crew.me.barrier.wait();
            for (int64_t unit = crew.units.begin; unit < crew.units.end; ++unit) {
                recur(crew, s, unit, FIRST, gates, packed_reset_ + crew.group.first * unit_columns, still);
                crew.group.each_strip(crew.group.active[s], [&](const Strip &strip) {
                    finish(crew, s, unit, strip, gates, next);
                });
            }
        }
    }

    // Adds U h of one gate to its projections; `still` says that h is all zeros.
    void recur(const Crew &crew, int64_t s, int64_t unit, int g, float *gates, const float *h, bool still) {
        const bool apart = Cell::APART && g == Cell::GATES - 1;
        const int64_t active = crew.group.active[s];
        const int width = panel_width(H - unit * PANEL);
        float *to = gates + g * unit_columns + unit * PANEL;
        int64_t to_row = gate_columns;
        if (apart) to = beside(apart_, crew, s) + unit * PANEL, to_row = unit_columns;
        if (still) {
            if (apart)
                for (int64_t i = 0; i < active; ++i)
                    std::memset(to + i * to_row, 0, static_cast<size_t>(width) * sizeof(float));
            return;
        }
        // What comes next is fetched meanwhile.
        const float *const ahead =
            g + 1 < Cell::GATES ? gates + (g + 1) * unit_columns + unit * PANEL : gates + (unit + 1) * PANEL;
        const bool there = g + 1 < Cell::GATES || unit + 1 < crew.units.end;
        Base::multiply_strips(
            crew.group, active, H, h, unit_columns, 0, panel(hidden_panels_, unit, g, H), width, to, to_row,
            apart,
            [&](const Strip &strip) {
                for (int i = 0; there && i < strip.rows; ++i)
                    fetch(ahead + (strip.begin + i) * gate_columns, width);
            }
        );
    }

    void finish(const Crew &crew, int64_t s, int64_t unit, const Strip &strip, float *gates, float *next) {
        activate(crew, s, unit, strip, gates, next, [&](Forward &at, int64_t i, int64_t column) {
            const Vector h = Base::advance(at, crew, s, i, column);
            store(h_ + (crew.group.first + i) * unit_columns + column, h);
            return h;
        });
    }

    // cell(numbers, row, column) of every vector of a strip's rows in one panel of units; packs what it
    // returns.
    template <class CellPart>
    void activate(
        const Crew &crew, int64_t s, int64_t unit, const Strip &strip, float *gates, float *packed,
        CellPart cell
    ) {
        for (int64_t column = unit * PANEL; column < std::min(unit_columns, (unit + 1) * PANEL);
             column += WIDTH) {
            alignas(64) float square[STRIP][WIDTH];
            for (int i = 0; i < strip.rows; ++i) {
                const int64_t row = strip.begin + i;
                Forward at = Base::before(
                    crew, s, row, column, gates + row * gate_columns,
                    h_ + (crew.group.first + row) * unit_columns
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
