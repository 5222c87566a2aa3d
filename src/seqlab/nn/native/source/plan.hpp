// The plan of a layer's pass: which thread computes which sequences and units, and the order of tokens in
// memory. "Rows" are sequences of the batch.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels.h"
#include "team.hpp"
#include "tile.hpp"

namespace seqlab {

// Consecutive rows of a group that are multiplied as one tile; of `height` rows the first `rows` have a token
// at the current step.
struct Strip {
    int64_t begin, height;
    int rows;
};

// Rows that are computed together, sorted by decreasing length, so that the rows with a token at a step are
// always the first ones and no mask is needed. Tokens of a group are stored step by step, within a step row
// by row; padding is not stored.
struct Group {
    // Indices in the batch, and their lengths.
    std::vector<int64_t> rows, lengths;
    // Step -> number of rows with a token; one extra step with 0 rows at the end.
    std::vector<int64_t> active;
    // Step -> index of its first token, counted over all groups; at the end that of the token after the last.
    std::vector<int64_t> begin;
    // Strip -> its first row; at the end the number of rows.
    std::vector<int64_t> strips;
    // Number of rows in the groups before this one.
    int64_t first = 0;

    int64_t count() const { return static_cast<int64_t>(rows.size()); }
    int64_t steps() const { return static_cast<int64_t>(active.size()) - 1; }
    // A strip at a step where the first `active` rows have a token.
    Strip strip(int64_t number, int64_t active) const {
        const int64_t first = strips[number], height = strips[number + 1] - first;
        return {first, height, static_cast<int>(std::clamp<int64_t>(active - first, 0, height))};
    }
    int64_t strip_count() const { return static_cast<int64_t>(strips.size()) - 1; }
    // Calls work(strip) for the strips that contain one of the first `active` rows.
    template <class Work>
    void each_strip(int64_t active, Work work) const {
        for (int64_t number = 0; strips[number] < active; ++number) work(strip(number, active));
    }
};

// Work is divided in one of two ways. By rows: each thread computes all units of its own rows, and threads
// never wait for each other. By units: threads share the units of all rows; each reads only its part of the
// weights, but all wait for each other at every step, because a step needs h of all units.
struct Plan {
    // height: the largest number of rows in a group, when work is divided by rows.
    Plan(const seqlab_layer &layer, int64_t threads, int64_t height)
        : threads(threads), by_rows(splits_rows(layer, threads)) {
        std::vector<int64_t> order(static_cast<size_t>(layer.B));
        for (int64_t b = 0; b < layer.B; ++b) order[b] = b;
        const auto length = [&](int64_t b) { return layer.lengths ? layer.lengths[b] : layer.T; };
        if (layer.lengths)
            std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
                return length(a) > length(b);
            });
        const int64_t parts = by_rows ? threads : 1, most = (layer.B + parts - 1) / parts;
        each_ = by_rows && most > height ? (most + height - 1) / height : 1;
        groups.resize(static_cast<size_t>(parts * each_));
        // Sorted rows are dealt out in turn, so that all threads get about the same number of tokens.
        for (int64_t part = 0; part < parts; ++part)
            for (int64_t g = 0; g < each_; ++g) {
                const Range range = share((layer.B - part + parts - 1) / parts, g, each_);
                Group &group = groups[part * each_ + g];
                for (int64_t at = range.begin; at < range.end; ++at) {
                    group.rows.push_back(order[at * parts + part]);
                    group.lengths.push_back(length(group.rows.back()));
                }
                lay_out(group);
            }
    }

    static bool splits_rows(const seqlab_layer &layer, int64_t threads) {
        return threads == 1 || layer.B / threads >= MIN_ROWS_PER_THREAD ||
               (layer.H < MIN_SHARED_UNITS && layer.B >= threads);
    }

    Range groups_of(int64_t thread) const {
        return by_rows ? Range{thread * each_, (thread + 1) * each_} : Range{0, 1};
    }

    int64_t threads;
    bool by_rows;
    std::vector<Group> groups;
    int64_t tokens = 0;

  private:
    static constexpr int64_t MIN_ROWS_PER_THREAD = 24;  // with fewer, reading all weights costs too much
    static constexpr int64_t MIN_SHARED_UNITS = 64;     // with fewer, waiting at each step costs too much

    void lay_out(Group &group) {
        group.first = rows_;
        rows_ += group.count();
        const int64_t steps = group.lengths.empty() ? 0 : group.lengths.front();
        int64_t active = group.count();
        for (int64_t s = 0; s < steps; ++s) {
            while (group.lengths[active - 1] <= s) --active;
            group.active.push_back(active);
            group.begin.push_back(tokens);
            tokens += active;
        }
        group.active.push_back(0);
        group.begin.push_back(tokens);
        const int64_t strips = (group.count() + STRIP - 1) / STRIP;
        for (int64_t number = 0; number < strips; ++number)
            group.strips.push_back(share(group.count(), number, strips).begin);
        group.strips.push_back(group.count());
    }

    int64_t each_;  // groups per thread
    int64_t rows_ = 0;
};

// Addresses of a token's numbers in the caller's arrays, by step and row of the group. With `reverse`, step 0
// is the last token of the row.
struct TokenAddress {
    const seqlab_layer &layer;
    const Group &group;

    int64_t time(int64_t step, int64_t i) const { return layer.reverse ? group.lengths[i] - 1 - step : step; }
    int64_t row(int64_t i) const { return group.rows[i]; }
    template <class Float>
    Float *at(Float *array, int64_t row_stride, int64_t step_stride, int64_t step, int64_t i) const {
        return array + row(i) * row_stride + time(step, i) * step_stride;
    }
    const float *x(int64_t step, int64_t i) const { return at(layer.x, layer.x_row, layer.x_step, step, i); }
    int64_t token(int64_t step, int64_t i) const { return layer.tokens[row(i) * layer.T + time(step, i)]; }
    float *y(int64_t step, int64_t i) const { return at(layer.y, layer.y_row, layer.y_step, step, i); }
};

}  // namespace seqlab
