// The backward pass of a layer whose weights stay in the caches; see small.hpp. The gradients of the weights
// do, too: every thread adds them up for its own rows, some steps at a time.
#pragma once

#include "backward_state.hpp"
#include "small.hpp"

namespace seqlab {

template <class Cell>
class SmallBackward : BackwardState<Cell> {
    using Base = BackwardState<Cell>;
    using Base::E, Base::H, Base::layer, Base::plan, Base::unit_columns, Base::gate_columns;
    using Base::LAST, Base::scratch_, Base::beside_, Base::dreset_;

    static constexpr int JOINED = seqlab::JOINED<Cell>;

  public:
    SmallBackward(const seqlab_layer &layer, int64_t threads)
        : Base(layer, threads, SMALL_ROWS),
          inputs_(inputs_of_step(layer)),
          row_(padded(inputs_ + unit_columns)) {
        for (const Group &group : plan.groups)
            tokens_ = std::max(tokens_, chunk_steps(group) * group.count());
    }

    bool allocate() {
        const int64_t tokens = tokens_ * plan.threads;
        Base::want_state();
        scratch_.want(hidden_panels_, gate_columns * unit_columns);
        if (layer.dx) scratch_.want(input_panels_, gate_columns * padded(E));
        scratch_.want(joined_, tokens * row_);
        if (!Cell::KEEPS_GATES) scratch_.want(gates_, tokens * gate_columns);
        if (Cell::TWO_PHASES) scratch_.want(reset_, tokens * unit_columns);
        scratch_.want(dweights_, plan.threads * (E + H) * gate_columns);
        if (layer.tokens) scratch_.want(dtable_, plan.threads * layer.V * gate_columns);
        if (layer.tokens && layer.dx) scratch_.want(dx_rows_, layer.V * padded(E));
        return Base::allocate_state();
    }

    void run(const Member &me) {
        pack_weights(me);
        std::memset(dweights(me.number), 0, (E + H) * gate_columns * sizeof(float));
        if (layer.tokens) std::memset(dtable(me.number), 0, layer.V * gate_columns * sizeof(float));
        me.barrier.wait();
        Barrier alone(1);
        const Range groups = plan.groups_of(me.number);
        for (int64_t group = groups.begin; group < groups.end; ++group)
            run_group(me, Base::crew(group, alone));
        if (layer.tokens) differentiate_table(me);
        me.barrier.wait();
        if (layer.dweight_ih) write_weights(me, 0, E, layer.dweight_ih);
        if (layer.dweight_hh) write_weights(me, E, H, layer.dweight_hh);
        if (me.number == 0) Base::sum_bias();
    }

  private:
    // Some steps of a group, whose tokens lie one behind the other.
    struct Chunk {
        const Crew &crew;
        const Member &me;
        int64_t begin, end;  // steps
        float *joined;       // [x, h before]
        float *gates, *beside, *reset;

        int64_t tokens() const { return at(end); }
        int64_t at(int64_t step) const { return crew.group.begin[step] - crew.group.begin[begin]; }
    };

    // Steps whose tokens are multiplied together for the weights' gradients, each of which is loaded and
    // stored once for them.
    static constexpr int64_t CHUNK = 96;
    static int64_t chunk_steps(const Group &group) {
        const int64_t fitting = CHUNK / std::max<int64_t>(1, group.count());
        return std::max<int64_t>(1, std::min(fitting, group.steps()));
    }

    float *dweights(int64_t thread) const { return dweights_ + thread * (E + H) * gate_columns; }
    // The gradients of W x of the table's rows, from a thread's own tokens.
    float *dtable(int64_t thread) const { return dtable_ + thread * layer.V * gate_columns; }

    void pack_weights(const Member &me) {
        const auto pack = [&](const float *weight, int64_t columns, float *to) {
            const Range mine = me.share(panels(columns));
            pack_panels_of_rows(
                [&](int64_t k) { return Base::weight_row(weight, columns, k); }, 0, gate_columns, columns,
                mine.begin, mine.end, to
            );
        };
        pack(layer.weight_hh, H, hidden_panels_);
        if (layer.dx) pack(layer.weight_ih, E, input_panels_);
    }

    void run_group(const Member &me, const Crew &crew) {
        const int64_t steps = chunk_steps(crew.group), first = me.number * tokens_;
        for (int64_t end = crew.group.steps(), begin; end > 0; end = begin) {
            begin = std::max<int64_t>(0, end - steps);
            const int64_t token = crew.group.begin[begin];
            float *const gates =
                Cell::KEEPS_GATES ? layer.saved + token * gate_columns : gates_ + first * gate_columns;
            Chunk chunk{crew, me, begin, end, joined_ + first * row_, gates, nullptr, nullptr};
            if constexpr (Cell::APART) chunk.beside = beside_ + token * unit_columns;
            if constexpr (Cell::TWO_PHASES) chunk.reset = reset_ + first * unit_columns;
            run_chunk(chunk);
        }
        Base::finish_states(crew);
        if (layer.dx && !layer.tokens) Base::zero_padding(crew, layer.dx, layer.dx_row, layer.dx_step, E);
        if (layer.dhidden) Base::zero_padding(crew, layer.dhidden, layer.T * H, H, H);
    }

    void run_chunk(const Chunk &chunk) {
        for (int64_t s = chunk.end - 1; s >= chunk.begin; --s) {
            join(chunk, s);
            step(chunk, s);
        }
        differentiate_weights(chunk);
        if (layer.tokens)
            add_to_table(chunk);
        else if (layer.dx)
            differentiate_input(chunk);
    }

    // Work(step, row of the group, token of the chunk).
    template <class Work>
    static void each_token(const Chunk &chunk, Work work) {
        for (int64_t s = chunk.begin; s < chunk.end; ++s)
            for (int64_t i = 0; i < chunk.crew.group.active[s]; ++i) work(s, i, chunk.at(s) + i);
    }

    void join(const Chunk &chunk, int64_t s) const {
        const Place place{layer, chunk.crew.group};
        for (int64_t i = 0; i < chunk.crew.group.active[s]; ++i) {
            float *const to = chunk.joined + (chunk.at(s) + i) * row_;
            if (!layer.tokens) copy(place.x(s, i), to, E);
            const float *const h = Base::h_before(place, s, i);
            for (int64_t column = 0; column < unit_columns; column += WIDTH)
                store(to + inputs_ + column, load_part(h + column, H - column));
        }
    }

    void step(const Chunk &chunk, int64_t s) const {
        const Crew &crew = chunk.crew;
        const int64_t token = chunk.at(s);
        float *const gates = chunk.gates + token * gate_columns;
        const Rows<float> dh{Base::dh(crew, 0), unit_columns};
        const float *const hidden = chunk.joined + token * row_ + inputs_;
        each_vector(chunk, s, [&](int64_t row, int64_t column) {
            Base::back(crew, s, row, column, gates + row * gate_columns, hidden + row * row_);
        });
        if constexpr (Cell::TWO_PHASES) {
            const Rows<const float> last{gates + LAST * unit_columns, gate_columns};
            float *const dreset = dreset_ + crew.group.first * unit_columns;
            multiply_back(chunk, s, last, {LAST, Cell::GATES}, {dreset, unit_columns}, true);
            float *const reset = chunk.reset + token * unit_columns;
            each_vector(chunk, s, [&](int64_t row, int64_t column) {
                Base::back_through_reset(
                    crew, row, column, gates + row * gate_columns, hidden + row * row_,
                    reset + row * unit_columns
                );
            });
        }
        multiply_back(chunk, s, {gates, gate_columns}, {0, JOINED}, dh, false);
        if constexpr (Cell::APART)
            multiply_back(
                chunk, s, {chunk.beside + token * unit_columns, unit_columns}, {LAST, Cell::GATES}, dh, false
            );
    }

    // Inline, because GCC takes a function that does nothing but this for one without effect, and drops it.
    SEQLAB_INLINE void fetch_ahead(const Crew &crew, int64_t s, int64_t i) const {
        const Place place{layer, crew.group};
        const int64_t token = crew.group.begin[s] + i;
        if (!layer.tokens) fetch(place.x(s, i), E);
        fetch(Base::h_before(place, s, i), H);
        if (layer.dy) fetch(place.at(layer.dy, layer.dy_row, layer.dy_step, s, i), H);
        if (layer.dx && !layer.tokens) fetch(place.at(layer.dx, layer.dx_row, layer.dx_step, s, i), E);
        if (Cell::KEEPS_GATES) fetch(layer.saved + token * gate_columns, gate_columns);
        if (Cell::CELL_STATE || Cell::APART) fetch(beside_ + token * unit_columns, unit_columns);
    }

    template <class Work>
    void each_vector(const Chunk &chunk, int64_t s, Work work) const {
        for (int64_t row = 0; row < chunk.crew.group.active[s]; ++row) {
            if (s > 1) fetch_ahead(chunk.crew, s - 2, row);
            for (int64_t column = 0; column < unit_columns; column += WIDTH) work(row, column);
        }
    }

    // to (+)= the gradients of some gates times their U, for the rows that have a token.
    void multiply_back(
        const Chunk &chunk, int64_t s, Rows<const float> gradients, Range gates, Rows<float> to, bool fresh
    ) const {
        const auto each_strip = [&](auto work) {
            chunk.crew.group.each_strip(chunk.crew.group.active[s], [&](const Strip &strip) {
                work(strip.begin, strip.rows);
            });
        };
        const int64_t first = gates.begin * unit_columns, K = gates.end * unit_columns - first;
        multiply_rows(each_strip, K, gradients, {hidden_panels_, gate_columns, first}, H, to, fresh);
    }

    void differentiate_weights(const Chunk &chunk) const {
        const int64_t tokens = chunk.tokens(), last = LAST * unit_columns;
        float *const sums = dweights(chunk.me.number), *const dbias = Base::dbias(chunk.me);
        const auto add = [&](Rows<const float> left, int64_t M, Rows<const float> right, int64_t columns,
                             float *to) {
            add_turned(tokens, left, M, right, columns, {to, gate_columns});
        };
        const Rows<const float> joined{chunk.joined, row_}, hidden{chunk.joined + inputs_, row_};
        const Rows<const float> gates{chunk.gates, gate_columns}, new_gate{chunk.gates + last, gate_columns};
        const Rows<const float> apart{chunk.beside, unit_columns}, reset{chunk.reset, unit_columns};
        float *const first = sums + (E - inputs_) * gate_columns;
        add(joined, inputs_ + H, gates, JOINED * unit_columns, first);
        if constexpr (JOINED <= LAST) add(joined, inputs_, new_gate, unit_columns, first + last);
        float *const of_hidden = sums + E * gate_columns + last;
        if constexpr (Cell::APART) add(hidden, H, apart, unit_columns, of_hidden);
        if constexpr (Cell::TWO_PHASES) add(reset, H, new_gate, unit_columns, of_hidden);
        if (!layer.tokens) add_rows(tokens, gates, gate_columns, dbias);
        if constexpr (Cell::APART) add_rows(tokens, apart, unit_columns, dbias + gate_columns);
    }

    // Its products take the place of the inputs, which nobody needs any more.
    void differentiate_input(const Chunk &chunk) const {
        const auto each_strip = [&](auto work) { each_part(chunk.tokens(), work); };
        multiply_rows(
            each_strip, gate_columns, {chunk.gates, gate_columns}, {input_panels_, gate_columns, 0}, E,
            {chunk.joined, row_}, true
        );
        const Place place{layer, chunk.crew.group};
        each_token(chunk, [&](int64_t s, int64_t i, int64_t token) {
            copy(chunk.joined + token * row_, place.at(layer.dx, layer.dx_row, layer.dx_step, s, i), E);
        });
    }

    void add_to_table(const Chunk &chunk) const {
        const Place place{layer, chunk.crew.group};
        each_token(chunk, [&](int64_t s, int64_t i, int64_t token) {
            const float *const from = chunk.gates + token * gate_columns;
            float *const to = dtable(chunk.me.number) + place.token(s, i) * gate_columns;
            for (int64_t column = 0; column < gate_columns; column += WIDTH)
                store(to + column, load(to + column) + load(from + column));
        });
    }

    // From the sums over equal tokens: the gradients of biases, input weights, and the table.
    void differentiate_table(const Member &me) const {
        add_rows(layer.V, {dtable(me.number), gate_columns}, gate_columns, Base::dbias(me));
        me.barrier.wait();
        const Range mine = me.share(layer.V), inputs = me.share(E);
        const int64_t count = mine.end - mine.begin;
        float *const sums = dtable(0) + mine.begin * gate_columns;
        for (int64_t thread = 1; thread < plan.threads; ++thread) {
            const float *const from = dtable(thread) + mine.begin * gate_columns;
            for (int64_t at = 0; at < count * gate_columns; at += WIDTH)
                store(sums + at, load(sums + at) + load(from + at));
        }
        me.barrier.wait();
        add_turned(
            layer.V, {layer.x + inputs.begin, layer.x_row}, inputs.end - inputs.begin,
            {dtable(0), gate_columns}, gate_columns,
            {dweights(me.number) + inputs.begin * gate_columns, gate_columns}
        );
        if (!layer.dx) return;
        const Rows<float> rows{dx_rows_ + mine.begin * padded(E), padded(E)};
        multiply_rows(
            [&](auto work) { each_part(count, work); }, gate_columns, {sums, gate_columns},
            {input_panels_, gate_columns, 0}, E, rows, true
        );
        for (int64_t i = 0; i < count; ++i)
            copy(rows.at + i * rows.row, layer.dx + (mine.begin + i) * layer.dx_row, E);
    }

    // A weight matrix' gradient, K columns, from rows first .. first + K - 1 of the sums of all threads.
    void write_weights(const Member &me, int64_t first, int64_t K, float *to) const {
        const Range mine = me.share(gate_columns / WIDTH);
        for (int64_t column = mine.begin * WIDTH; column < mine.end * WIDTH; column += WIDTH) {
            const int64_t gate = column / unit_columns, unit = column % unit_columns;
            for (int64_t k = 0; k < K; k += WIDTH) {
                Vector square[WIDTH] = {};
                for (int64_t i = 0; i < std::min<int64_t>(WIDTH, K - k); ++i)
                    for (int64_t thread = 0; thread < plan.threads; ++thread)
                        square[i] += load(dweights(thread) + (first + k + i) * gate_columns + column);
                transpose(square);
                for (int64_t j = 0; j < std::min<int64_t>(WIDTH, H - unit); ++j)
                    store_part(to + (gate * H + unit + j) * K + k, square[j], K - k);
            }
        }
    }

    const int64_t inputs_, row_;  // of [x, h]
    int64_t tokens_ = 0;          // of a chunk at most
    float *hidden_panels_, *input_panels_, *joined_, *gates_, *reset_, *dweights_, *dtable_, *dx_rows_;
};

}  // namespace seqlab
