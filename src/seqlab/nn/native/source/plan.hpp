// Which thread computes which rows and units, and in what order their tokens lie in memory.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels.h"
#include "team.hpp"
#include "tile.hpp"

namespace seqlab {

// Successive rows of a group that one tile holds; of `height` rows the first `rows` have a token left.
struct Strip {
    int64_t begin, height;
    int rows;
};

// Rows that are computed together, the longest first, so that those with a token left are always the first
// ones. Tokens of a group lie step by step, in each step row by row.
struct Group {
    // Of the batch, and their lengths.
    std::vector<int64_t> rows, lengths;
    // Step -> rows that have a token there; one more step, of 0 rows.
    std::vector<int64_t> active;
    // Step -> its first token, counted over all groups; one more, where the last ends.
    std::vector<int64_t> begin;
    // Strip -> its first row; one more, where the last ends.
    std::vector<int64_t> strips;
    // Rows of the groups before it.
    int64_t first = 0;

    int64_t count() const { return static_cast<int64_t>(rows.size()); }
    int64_t steps() const { return static_cast<int64_t>(active.size()) - 1; }
    // A strip, when the first `among` rows have a token left.
    Strip strip(int64_t number, int64_t among) const {
        const int64_t first = strips[number], height = strips[number + 1] - first;
        return {first, height, static_cast<int>(std::clamp<int64_t>(among - first, 0, height))};
    }
    int64_t strip_count() const { return static_cast<int64_t>(strips.size()) - 1; }
    // Work(strip) for those of them that have such rows.
    template <class Work>
    void each_strip(int64_t among, Work work) const {
        for (int64_t number = 0; strips[number] < among; ++number) work(strip(number, among));
    }
};

// Either every thread has rows of its own and all units of them, so that no thread waits for another; or the
// threads share the units of all rows, which halves the weights that each has to read, but waits at each
// step.
struct Plan {
    // height: rows of a group at most, where threads have rows of their own.
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
        // Dealt out in turn, so that every thread has as many long rows as the others.
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
        return threads == 1 || layer.B / threads >= ROWS_ALONE ||
               (layer.H < UNITS_SHARED && layer.B >= threads);
    }

    Range groups_of(int64_t thread) const {
        return by_rows ? Range{thread * each_, (thread + 1) * each_} : Range{0, 1};
    }

    int64_t threads;
    bool by_rows;
    std::vector<Group> groups;
    int64_t tokens = 0;

  private:
    static constexpr int64_t ROWS_ALONE = 24;    // fewer rows do not pay for reading all weights
    static constexpr int64_t UNITS_SHARED = 64;  // fewer units are not worth waiting for

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

    int64_t each_;  // groups of a thread
    int64_t rows_ = 0;
};

// Where the numbers of a row's token at a step lie, in an array with these strides.
struct Place {
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
