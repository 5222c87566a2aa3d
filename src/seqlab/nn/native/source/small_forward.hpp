// The forward pass of a layer whose weights stay in the caches; see small.hpp.
#pragma once

#include "forward_state.hpp"
#include "small.hpp"

namespace seqlab {

template <class Cell>
class SmallForward : ForwardState<Cell> {
    using Base = ForwardState<Cell>;
    using Base::E, Base::H, Base::layer, Base::plan, Base::unit_columns, Base::gate_columns;
    using Base::keeps_gates, Base::beside, Base::scratch_, Base::apart_;

    static constexpr int GATES = Cell::GATES, JOINED = seqlab::JOINED<Cell>;

  public:
    SmallForward(const seqlab_layer &layer, int64_t threads)
        : Base(layer, threads, SMALL_ROWS),
          inputs_(inputs_of_step(layer)),
          row_(padded(inputs_ + unit_columns)) {}

    bool allocate() {
        const int64_t rows = rows_of_thread() * plan.threads;
        Base::want_state();
        scratch_.want(panels_, gate_columns * (E + H));
        scratch_.want(zeros_, std::max(E, H));
        scratch_.want(joined_, rows * row_);
        if (!keeps_gates()) scratch_.want(gates_, rows * gate_columns);
        if (Cell::TWO_PHASES) scratch_.want(reset_, rows * unit_columns);
        if (layer.tokens) scratch_.want(table_, layer.V * gate_columns);
        if (!scratch_.allocate()) return false;
        std::memset(zeros_, 0, std::max(E, H) * sizeof(float));
        return true;
    }

    void run(const Member &me) {
        pack_weights(me);
        if (me.number == 0) Base::pack_bias();
        me.barrier.wait();
        if (layer.tokens) {
            project_table(me);
            me.barrier.wait();
        }
        Barrier alone(1);
        const Range groups = plan.groups_of(me.number);
        for (int64_t group = groups.begin; group < groups.end; ++group)
            run_group(Base::crew(group, alone), me.number * rows_of_thread());
    }

  private:
    int64_t rows_of_thread() const { return std::min(layer.B, SMALL_ROWS); }

    // The weights of [x, h], panels of all gates' columns; those without a unit are zeros.
    void pack_weights(const Member &me) {
        const Range mine = me.share(panels(gate_columns));
        for (int64_t panel = mine.begin; panel < mine.end; ++panel) {
            const int64_t first = panel * PANEL, columns = std::min<int64_t>(PANEL, gate_columns - first);
            const auto pack = [&](const float *weight, int64_t K, float *to) {
                const auto row = [&](int64_t column) {
                    const int64_t gate = column / unit_columns, unit = column % unit_columns;
                    return unit < H ? weight + (gate * H + unit) * K : zeros_;
                };
                pack_panel_of_columns(row, 0, K, first, columns, to);
            };
            float *const to = panels_ + first * (E + H);
            pack(layer.weight_ih, E, to);
            pack(layer.weight_hh, H, to + E * panel_width(columns));
        }
    }

    // W x of the table's rows.
    void project_table(const Member &me) {
        const Range mine = me.share(layer.V);
        multiply_rows(
            [&](auto work) { each_part(mine.end - mine.begin, work); }, E,
            {layer.x + mine.begin * layer.x_row, layer.x_row}, {panels_, E + H, 0}, gate_columns,
            {table_ + mine.begin * gate_columns, gate_columns}, true
        );
    }

    // first_row: of this thread's working memory.
    void run_group(const Crew &crew, int64_t first_row) {
        float *const joined = joined_ + first_row * row_;
        for (int64_t i = 0; i < crew.group.count(); ++i)
            Base::start_row(crew, i, joined + i * row_ + inputs_);
        for (int64_t s = 0; s < crew.group.steps(); ++s) step(crew, s, joined, first_row);
        Base::zero_padding(crew, layer.y, layer.y_row, layer.y_step, H);
    }

    void step(const Crew &crew, int64_t s, float *joined, int64_t first_row) {
        const Place place{layer, crew.group};
        float *const gates = keeps_gates() ? layer.saved + crew.group.begin[s] * gate_columns
                                           : gates_ + first_row * gate_columns;
        const Rows<const float> inputs{joined, row_}, hidden{joined + inputs_, row_};
        const Rows<float> last{gates + JOINED * unit_columns, gate_columns};
        if (layer.tokens) {
            for (int64_t i = 0; i < crew.group.active[s]; ++i)
                copy(table_ + place.token(s, i) * gate_columns, gates + i * gate_columns, gate_columns);
            multiply(crew, s, {0, JOINED}, hidden, {E, E + H}, {gates, gate_columns}, false);
        } else {
            for (int64_t i = 0; i < crew.group.active[s]; ++i) copy(place.x(s, i), joined + i * row_, E);
            multiply(crew, s, {0, JOINED}, inputs, {0, E + H}, {gates, gate_columns}, true);
            if constexpr (JOINED < GATES) multiply(crew, s, {JOINED, GATES}, inputs, {0, E}, last, true);
        }
        if constexpr (Cell::APART)
            multiply(
                crew, s, {JOINED, GATES}, hidden, {E, E + H}, {beside(apart_, crew, s), unit_columns}, true
            );
        if constexpr (Cell::TWO_PHASES) {
            float *const reset = reset_ + first_row * unit_columns;
            each_vector(crew, s, joined, gates, [&](Forward &at, int64_t row, int64_t column) {
                store(reset + row * unit_columns + column, Cell::reset(at));
            });
            multiply(crew, s, {JOINED, GATES}, {reset, unit_columns}, {E, E + H}, last, false);
        }
        each_vector(crew, s, joined, gates, [&](Forward &at, int64_t row, int64_t column) {
            store(joined + row * row_ + inputs_ + column, Base::advance(at, crew, s, row, column));
        });
    }

    // Inline, because GCC takes a function that does nothing but this for one without effect, and drops it.
    SEQLAB_INLINE void fetch_ahead(const Crew &crew, int64_t s, int64_t i) const {
        const Place place{layer, crew.group};
        const int64_t token = crew.group.begin[s] + i;
        if (!layer.tokens) fetch(place.x(s, i), E);
        fetch(place.y(s, i), H);
        if (keeps_gates()) fetch(layer.saved + token * gate_columns, gate_columns);
    }

    // to (+)= left times rows `K` of the weights of some gates, for the rows that have a token.
    void multiply(
        const Crew &crew, int64_t s, Range gates, Rows<const float> left, Range K, Rows<float> to, bool fresh
    ) const {
        const auto each_strip = [&](auto work) {
            crew.group.each_strip(crew.group.active[s], [&](const Strip &strip) {
                work(strip.begin, strip.rows);
            });
        };
        const int64_t first = gates.begin * unit_columns, columns = gates.end * unit_columns - first;
        const Panels weights{panels_ + first * (E + H), E + H, K.begin};
        multiply_rows(each_strip, K.end - K.begin, left, weights, columns, to, fresh);
    }

    // cell(numbers, row, column) of every vector of the rows that have a token.
    template <class CellPart>
    void each_vector(const Crew &crew, int64_t s, const float *joined, float *gates, CellPart cell) const {
        for (int64_t row = 0; row < crew.group.active[s]; ++row) {
            if (s + 2 <= crew.group.steps() && row < crew.group.active[s + 2]) fetch_ahead(crew, s + 2, row);
            for (int64_t column = 0; column < unit_columns; column += WIDTH) {
                Forward at = Base::before(
                    crew, s, row, column, gates + row * gate_columns, joined + row * row_ + inputs_
                );
                cell(at, row, column);
            }
        }
    }

    const int64_t inputs_, row_;  // of [x, h]
    float *panels_, *zeros_, *joined_, *gates_, *reset_, *table_;
};

}  // namespace seqlab
