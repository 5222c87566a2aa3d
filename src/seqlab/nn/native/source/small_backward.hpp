// The backward pass of a layer whose weights fit into a core's caches; see small.hpp. So do the gradients of
// the weights: each thread sums them for its own rows, a few steps at a time.
#pragma once

#include "backward_state.hpp"
#include "small.hpp"

namespace seqlab {

template <class Cell>
class SmallBackward : BackwardState<Cell> {
    using Base = BackwardState<Cell>;
    using Base::E, Base::H, Base::layer, Base::plan, Base::unit_columns, Base::gate_columns;
    using Base::LAST, Base::scratch_, Base::extra_, Base::dreset_;

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
        Base::reserve_state();
        scratch_.reserve(hidden_panels_, gate_columns * unit_columns);
        if (layer.dx) scratch_.reserve(input_panels_, gate_columns * padded(E));
        scratch_.reserve(joined_, tokens * row_);
        if (!Cell::SAVES_GATES) scratch_.reserve(gates_, tokens * gate_columns);
        if (Cell::TWO_PHASES) scratch_.reserve(reset_, tokens * unit_columns);
        scratch_.reserve(dweights_, plan.threads * (E + H) * gate_columns);
        if (layer.tokens) scratch_.reserve(dtable_, plan.threads * layer.V * gate_columns);
        if (layer.tokens && layer.dx) scratch_.reserve(dx_rows_, layer.V * padded(E));
        return Base::allocate_state();
    }

    void run(const Member &me) {
        pack_weights(me);
        std::memset(dweights(me.number), 0, (E + H) * gate_columns * sizeof(float));
        if (layer.tokens) std::memset(dtable(me.number), 0, layer.V * gate_columns * sizeof(float));
        me.barrier.wait();
        Barrier single(1);
        const Range groups = plan.groups_of(me.number);
        for (int64_t group = groups.begin; group < groups.end; ++group)
            run_group(me, Base::slice(group, single));
        if (layer.tokens) differentiate_table(me);
        me.barrier.wait();
        if (layer.dweight_ih) write_weights(me, 0, E, layer.dweight_ih);
        if (layer.dweight_hh) write_weights(me, E, H, layer.dweight_hh);
        if (me.number == 0) Base::sum_bias();
    }

  private:
    // Consecutive steps of a group, whose tokens are consecutive in memory.
    struct Chunk {
        const Slice &slice;
        const Member &me;
        int64_t begin, end;  // steps
        float *joined;       // [x, h of the previous step]
        float *gates, *extra, *reset;

        int64_t tokens() const { return at(end); }
        int64_t at(int64_t step) const { return slice.group.begin[step] - slice.group.begin[begin]; }
    };

    // Tokens per chunk at most. A chunk loads and stores each element of the weights' gradients once.
    static constexpr int64_t CHUNK = 96;
    static int64_t chunk_steps(const Group &group) {
        const int64_t fitting = CHUNK / std::max<int64_t>(1, group.count());
        return std::max<int64_t>(1, std::min(fitting, group.steps()));
    }

    float *dweights(int64_t thread) const { return dweights_ + thread * (E + H) * gate_columns; }
    // The gradients of W x of the table's rows, summed over a thread's own tokens.
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

    void run_group(const Member &me, const Slice &slice) {
        const int64_t steps = chunk_steps(slice.group), first = me.number * tokens_;
        for (int64_t end = slice.group.steps(), begin; end > 0; end = begin) {
            begin = std::max<int64_t>(0, end - steps);
            const int64_t token = slice.group.begin[begin];
            float *const gates =
                Cell::SAVES_GATES ? layer.saved + token * gate_columns : gates_ + first * gate_columns;
            Chunk chunk{slice, me, begin, end, joined_ + first * row_, gates, nullptr, nullptr};
            if constexpr (Cell::SEPARATE) chunk.extra = extra_ + token * unit_columns;
            if constexpr (Cell::TWO_PHASES) chunk.reset = reset_ + first * unit_columns;
            run_chunk(chunk);
        }
        Base::finish_states(slice);
        if (layer.dx && !layer.tokens) Base::zero_padding(slice, layer.dx, layer.dx_row, layer.dx_step, E);
        if (layer.dhidden) Base::zero_padding(slice, layer.dhidden, layer.T * H, H, H);
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

    // Calls work(step, row of the group, token of the chunk).
    template <class Work>
    static void each_token(const Chunk &chunk, Work work) {
        for (int64_t s = chunk.begin; s < chunk.end; ++s)
            for (int64_t i = 0; i < chunk.slice.group.active[s]; ++i) work(s, i, chunk.at(s) + i);
    }

    void join(const Chunk &chunk, int64_t s) const {
        const TokenAddress address{layer, chunk.slice.group};
        for (int64_t i = 0; i < chunk.slice.group.active[s]; ++i) {
            float *const to = chunk.joined + (chunk.at(s) + i) * row_;
            if (!layer.tokens) copy(address.x(s, i), to, E);
            const float *const h = Base::h_before(address, s, i);
            for (int64_t column = 0; column < unit_columns; column += WIDTH)
                store(to + inputs_ + column, load_part(h + column, H - column));
        }
    }

    void step(const Chunk &chunk, int64_t s) const {
        const Slice &slice = chunk.slice;
        const int64_t token = chunk.at(s);
        float *const gates = chunk.gates + token * gate_columns;
        const Rows<float> dh{Base::dh(slice, 0), unit_columns};
        const float *const hidden = chunk.joined + token * row_ + inputs_;
        each_vector(chunk, s, [&](int64_t row, int64_t column) {
            Base::step_back(slice, s, row, column, gates + row * gate_columns, hidden + row * row_);
        });
        if constexpr (Cell::TWO_PHASES) {
            const Rows<const float> last{gates + LAST * unit_columns, gate_columns};
            float *const dreset = dreset_ + slice.group.first * unit_columns;
            multiply_back(chunk, s, last, {LAST, Cell::GATES}, {dreset, unit_columns}, true);
            float *const reset = chunk.reset + token * unit_columns;
            each_vector(chunk, s, [&](int64_t row, int64_t column) {
                Base::back_through_reset(
                    slice, row, column, gates + row * gate_columns, hidden + row * row_,
                    reset + row * unit_columns
                );
            });
        }
        multiply_back(chunk, s, {gates, gate_columns}, {0, JOINED}, dh, false);
        if constexpr (Cell::SEPARATE)
            multiply_back(
                chunk, s, {chunk.extra + token * unit_columns, unit_columns}, {LAST, Cell::GATES}, dh, false
            );
    }

    // Prefetches the numbers of a row's token at a step. Always inlined: GCC would regard the function as
    // without effect and remove its calls.
    SEQLAB_INLINE void prefetch_step(const Slice &slice, int64_t s, int64_t i) const {
        const TokenAddress address{layer, slice.group};
        const int64_t token = slice.group.begin[s] + i;
        if (!layer.tokens) prefetch(address.x(s, i), E);
        prefetch(Base::h_before(address, s, i), H);
        if (layer.dy) prefetch(address.at(layer.dy, layer.dy_row, layer.dy_step, s, i), H);
        if (layer.dx && !layer.tokens) prefetch(address.at(layer.dx, layer.dx_row, layer.dx_step, s, i), E);
        if (Cell::SAVES_GATES) prefetch(layer.saved + token * gate_columns, gate_columns);
        if (Cell::CELL_STATE || Cell::SEPARATE) prefetch(extra_ + token * unit_columns, unit_columns);
    }

    template <class Work>
    void each_vector(const Chunk &chunk, int64_t s, Work work) const {
        for (int64_t row = 0; row < chunk.slice.group.active[s]; ++row) {
            if (s > 1) prefetch_step(chunk.slice, s - 2, row);
            for (int64_t column = 0; column < unit_columns; column += WIDTH) work(row, column);
        }
    }

    // to = [to +] the gradients of some gates times their U, for the rows with a token at step s.
    void multiply_back(
        const Chunk &chunk, int64_t s, Rows<const float> gradients, Range gates, Rows<float> to,
        bool overwrite
    ) const {
        const auto each_strip = [&](auto work) {
            chunk.slice.group.each_strip(chunk.slice.group.active[s], [&](const Strip &strip) {
                work(strip.begin, strip.rows);
            });
        };
        const int64_t first = gates.begin * unit_columns, K = gates.end * unit_columns - first;
        multiply_rows(each_strip, K, gradients, {hidden_panels_, gate_columns, first}, H, to, overwrite);
    }

    void differentiate_weights(const Chunk &chunk) const {
        const int64_t tokens = chunk.tokens(), last = LAST * unit_columns;
        float *const sums = dweights(chunk.me.number), *const dbias = Base::dbias(chunk.me);
        const auto add = [&](Rows<const float> left, int64_t M, Rows<const float> right, int64_t columns,
                             float *to) {
            add_transposed(tokens, left, M, right, columns, {to, gate_columns});
        };
        const Rows<const float> joined{chunk.joined, row_}, hidden{chunk.joined + inputs_, row_};
        const Rows<const float> gates{chunk.gates, gate_columns}, new_gate{chunk.gates + last, gate_columns};
        const Rows<const float> separate{chunk.extra, unit_columns}, reset{chunk.reset, unit_columns};
        float *const first = sums + (E - inputs_) * gate_columns;
        add(joined, inputs_ + H, gates, JOINED * unit_columns, first);
        if constexpr (JOINED <= LAST) add(joined, inputs_, new_gate, unit_columns, first + last);
        float *const of_hidden = sums + E * gate_columns + last;
        if constexpr (Cell::SEPARATE) add(hidden, H, separate, unit_columns, of_hidden);
        if constexpr (Cell::TWO_PHASES) add(reset, H, new_gate, unit_columns, of_hidden);
        if (!layer.tokens) add_rows(tokens, gates, gate_columns, dbias);
        if constexpr (Cell::SEPARATE) add_rows(tokens, separate, unit_columns, dbias + gate_columns);
    }

    // The products overwrite the inputs in `joined`, which are no longer needed; so this comes after the
    // weights' gradients.
    void differentiate_input(const Chunk &chunk) const {
        const auto each_strip = [&](auto work) { each_part(chunk.tokens(), work); };
        multiply_rows(
            each_strip, gate_columns, {chunk.gates, gate_columns}, {input_panels_, gate_columns, 0}, E,
            {chunk.joined, row_}, true
        );
        const TokenAddress address{layer, chunk.slice.group};
        each_token(chunk, [&](int64_t s, int64_t i, int64_t token) {
            copy(chunk.joined + token * row_, address.at(layer.dx, layer.dx_row, layer.dx_step, s, i), E);
        });
    }

    void add_to_table(const Chunk &chunk) const {
        const TokenAddress address{layer, chunk.slice.group};
        each_token(chunk, [&](int64_t s, int64_t i, int64_t token) {
            const float *const from = chunk.gates + token * gate_columns;
            float *const to = dtable(chunk.me.number) + address.token(s, i) * gate_columns;
            for (int64_t column = 0; column < gate_columns; column += WIDTH)
                store(to + column, load(to + column) + load(from + column));
        });
    }

    // Computes the gradients of biases, input weights and table from the sums over equal tokens. Threads have
    // summed their own tokens; here each adds up a share of the table's rows over all threads.
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
        add_transposed(
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

    // Writes the gradient of a weight matrix with K columns: rows first .. first + K - 1 of `dweights`, which
    // are stored transposed, summed over all threads.
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
    int64_t tokens_ = 0;          // of the largest chunk
    float *hidden_panels_, *input_panels_, *joined_, *gates_, *reset_, *dweights_, *dtable_, *dx_rows_;
};

}  // namespace seqlab
