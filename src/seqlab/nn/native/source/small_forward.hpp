// The forward pass of a layer whose weights fit into a core's caches; see small.hpp.
#pragma once

#include "forward_state.hpp"
#include "small.hpp"

namespace seqlab {

template <class Cell>
class SmallForward : ForwardState<Cell> {
    using Base = ForwardState<Cell>;
    using Base::E, Base::H, Base::layer, Base::plan, Base::unit_columns, Base::gate_columns;
    using Base::saves_gates, Base::extra, Base::scratch_, Base::separate_;

    static constexpr int GATES = Cell::GATES, JOINED = seqlab::JOINED<Cell>;

  public:
    SmallForward(const seqlab_layer &layer, int64_t threads)
        : Base(layer, threads, SMALL_ROWS),
          inputs_(inputs_of_step(layer)),
          row_(padded(inputs_ + unit_columns)) {}

    bool allocate() {
        const int64_t rows = rows_of_thread() * plan.threads;
        Base::reserve_state();
        scratch_.reserve(panels_, gate_columns * (E + H));
        scratch_.reserve(zeros_, std::max(E, H));
        scratch_.reserve(joined_, rows * row_);
        if (!saves_gates()) scratch_.reserve(gates_, rows * gate_columns);
        if (Cell::TWO_PHASES) scratch_.reserve(reset_, rows * unit_columns);
        if (layer.tokens) scratch_.reserve(table_, layer.V * gate_columns);
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
        Barrier single(1);
        const Range groups = plan.groups_of(me.number);
        for (int64_t group = groups.begin; group < groups.end; ++group)
            run_group(Base::slice(group, single), me.number * rows_of_thread());
    }

  private:
    int64_t rows_of_thread() const { return std::min(layer.B, SMALL_ROWS); }

    // Packs the weights of [x, h] as panels over the columns of all gates; columns that fill up a vector are
    // zeros.
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

    // Computes W x of the table's rows.
    void project_table(const Member &me) {
        const Range mine = me.share(layer.V);
        multiply_rows(
            [&](auto work) { each_part(mine.end - mine.begin, work); }, E,
            {layer.x + mine.begin * layer.x_row, layer.x_row}, {panels_, E + H, 0}, gate_columns,
            {table_ + mine.begin * gate_columns, gate_columns}, true
        );
    }

    // first_row: where this thread's rows begin in the working memory.
    void run_group(const Slice &slice, int64_t first_row) {
        float *const joined = joined_ + first_row * row_;
        for (int64_t i = 0; i < slice.group.count(); ++i)
            Base::start_row(slice, i, joined + i * row_ + inputs_);
        for (int64_t s = 0; s < slice.group.steps(); ++s) step(slice, s, joined, first_row);
        Base::zero_padding(slice, layer.y, layer.y_row, layer.y_step, H);
    }

    void step(const Slice &slice, int64_t s, float *joined, int64_t first_row) {
        const TokenAddress address{layer, slice.group};
        float *const gates = saves_gates() ? layer.saved + slice.group.begin[s] * gate_columns
                                           : gates_ + first_row * gate_columns;
        const Rows<const float> inputs{joined, row_}, hidden{joined + inputs_, row_};
        const Rows<float> last{gates + JOINED * unit_columns, gate_columns};
        if (layer.tokens) {
            for (int64_t i = 0; i < slice.group.active[s]; ++i)
                copy(table_ + address.token(s, i) * gate_columns, gates + i * gate_columns, gate_columns);
            multiply(slice, s, {0, JOINED}, hidden, {E, E + H}, {gates, gate_columns}, false);
        } else {
            for (int64_t i = 0; i < slice.group.active[s]; ++i) copy(address.x(s, i), joined + i * row_, E);
            multiply(slice, s, {0, JOINED}, inputs, {0, E + H}, {gates, gate_columns}, true);
            if constexpr (JOINED < GATES) multiply(slice, s, {JOINED, GATES}, inputs, {0, E}, last, true);
        }
        if constexpr (Cell::SEPARATE)
            multiply(
                slice, s, {JOINED, GATES}, hidden, {E, E + H}, {extra(separate_, slice, s), unit_columns},
                true
            );
        if constexpr (Cell::TWO_PHASES) {
            float *const reset = reset_ + first_row * unit_columns;
            each_vector(slice, s, joined, gates, [&](Forward &at, int64_t row, int64_t column) {
                store(reset + row * unit_columns + column, Cell::reset(at));
            });
            multiply(slice, s, {JOINED, GATES}, {reset, unit_columns}, {E, E + H}, last, false);
        }
        each_vector(slice, s, joined, gates, [&](Forward &at, int64_t row, int64_t column) {
            store(joined + row * row_ + inputs_ + column, Base::advance(at, slice, s, row, column));
        });
    }

    // Prefetches the numbers of a row's token at a step. Always inlined: GCC would regard the function as
    // without effect and remove its calls.
    SEQLAB_INLINE void prefetch_step(const Slice &slice, int64_t s, int64_t i) const {
        const TokenAddress address{layer, slice.group};
        const int64_t token = slice.group.begin[s] + i;
        if (!layer.tokens) prefetch(address.x(s, i), E);
        prefetch(address.y(s, i), H);
        if (saves_gates()) prefetch(layer.saved + token * gate_columns, gate_columns);
    }

    // to = [to +] left times rows `K` of the weights of some gates, for the rows with a token at step s.
    void multiply(
        const Slice &slice, int64_t s, Range gates, Rows<const float> left, Range K, Rows<float> to,
        bool overwrite
    ) const {
        const auto each_strip = [&](auto work) {
            slice.group.each_strip(slice.group.active[s], [&](const Strip &strip) {
                work(strip.begin, strip.rows);
            });
        };
        const int64_t first = gates.begin * unit_columns, columns = gates.end * unit_columns - first;
        const Panels weights{panels_ + first * (E + H), E + H, K.begin};
        multiply_rows(each_strip, K.end - K.begin, left, weights, columns, to, overwrite);
    }

    // Calls cell(vector, row, column) for every vector of the rows with a token at step s, and prefetches the
    // numbers of step s + 2, so that they arrive in time.
    template <class CellPart>
    void each_vector(const Slice &slice, int64_t s, const float *joined, float *gates, CellPart cell) const {
        for (int64_t row = 0; row < slice.group.active[s]; ++row) {
            if (s + 2 <= slice.group.steps() && row < slice.group.active[s + 2])
                prefetch_step(slice, s + 2, row);
            for (int64_t column = 0; column < unit_columns; column += WIDTH) {
                Forward at = Base::load_step(
                    slice, s, row, column, gates + row * gate_columns, joined + row * row_ + inputs_
                );
                cell(at, row, column);
            }
        }
    }

    const int64_t inputs_, row_;  // of [x, h]
    float *panels_, *zeros_, *joined_, *gates_, *reset_, *table_;
};

}  // namespace seqlab
