// Matrix products in blocks that stay in the caches, by the threads of one call together.
//
// Left is cut into strips (blocks of rows), right into panels (blocks of columns), K into blocks. Threads
// share the packing of the panels of one block of K, then each multiplies its own strips with all of them.
#pragma once

#include "memory.hpp"
#include "team.hpp"
#include "tile.hpp"

namespace seqlab {

// A panel of DEPTH stays in the first-level cache while strips pass by, GROUP strips stay in the second-level
// one.
constexpr int64_t DEPTH = WIDTH == 16 ? 384 : 320;
constexpr int64_t GROUP = 12;

// K in equal blocks of at most DEPTH.
struct Depths {
    explicit Depths(int64_t K)
        : K(K), count((K + DEPTH - 1) / DEPTH), each(count ? (K + count - 1) / count : 0) {}
    int64_t at(int64_t block) const { return block * each; }
    int64_t of(int64_t block) const { return std::min(each, K - at(block)); }
    int64_t K, count, each;
};

// Working memory of a product with N columns: panels of two blocks of K, so that one is packed while a slower
// thread still reads the other, and strips of each thread.
inline int64_t panel_floats(int64_t N) { return 2 * (N + PANEL) * DEPTH; }
constexpr int64_t STRIP_FLOATS = GROUP * STRIP * DEPTH + WIDTH;

// A strip of a matrix: rows first .. first + height - 1 of one of its parts.
struct Piece {
    int64_t part, first;
    int height;
};

// The strips that are multiplied before the next ones are packed.
struct Pieces {
    Piece of[GROUP];
    int count;
};

// Rows of one matrix in parts of `rows` each, which are cut into strips of nearly equal height.
struct Strips {
    Strips(int64_t parts, int64_t rows)
        : rows(rows), per_part((rows + STRIP - 1) / STRIP), count(parts * per_part) {}

    Pieces pieces(int64_t begin, int64_t end) const {
        Pieces group{};
        for (int64_t s = begin; s < std::min(end, begin + GROUP); ++s) {
            const Range range = share(rows, s % per_part, per_part);
            group.of[group.count++] = {s / per_part, range.begin, static_cast<int>(range.end - range.begin)};
        }
        return group;
    }

    int64_t rows, per_part, count;
};

// Where the rows of a strip of a product go.
class Target {
  public:
    Target() = default;
    template <class Row>
    Target(int rows, Row row) : rows_(rows), step_(rows > 1 ? row(1) - row(0) : 0) {
        for (int i = 0; i < rows; ++i) {
            to_[i] = row(i);
            if (to_[i] != to_[0] + i * step_) even_ = false;
        }
    }

    void fetch_rows(int64_t column, int64_t columns) const {
        for (int i = 0; i < rows_; ++i) fetch(to_[i] + column, columns);
    }

    void multiply_into(
        int64_t column, int64_t columns, int64_t K, const float *strip, const float *panel, bool fresh,
        bool ahead
    ) const {
        const int width = panel_width(columns);
        const Multiply multiply = multiply_for(rows_, width, ahead);
        // At the edge, and where rows lie anyhow, through a tile of its own.
        if (even_ && columns == width) return multiply(K, strip, rows_, panel, to_[0] + column, step_, fresh);
        alignas(64) float tile[STRIP * PANEL];
        multiply(K, strip, rows_, panel, tile, PANEL, true);
        for (int i = 0; i < rows_; ++i)
            for (int v = 0; v < width; v += WIDTH) {
                float *const at = to_[i] + column + v;
                const Vector value = load(tile + i * PANEL + v);
                store_part(at, fresh ? value : value + load_part(at, columns - v), columns - v);
            }
    }

  private:
    float *to_[STRIP];
    int rows_ = 0;
    int64_t step_ = 0;
    bool even_ = true;
};

// out (+)= left right, over K.
//   strips: how the rows of `left` are cut.
//   pack_strips(pieces, k0, k, to): k columns of strips, from column k0, each STRIP * k behind the last.
//   pack_panels(range, k0, k, to): k rows, from row k0, of a range of panels; see `tile.hpp`.
//   out(piece, i): where row i of a strip goes.
template <class PackStrips, class PackPanels, class Out>
void product(
    const Member &me, const Strips &strips, int64_t N, int64_t K, float *panel_memory, float *strip_memory,
    PackStrips pack_strips, PackPanels pack_panels, Out out
) {
    const Depths depths(K);
    const Range mine = me.share(strips.count);
    Target targets[GROUP];
    for (int64_t block = 0; block < std::max<int64_t>(1, depths.count); ++block) {
        const int64_t k0 = depths.at(block), k = depths.of(block);
        float *const packed = panel_memory + (block & 1) * (N + PANEL) * DEPTH;
        pack_panels(me.share(panels(N)), k0, k, packed);
        me.barrier.wait();
        for (int64_t begin = mine.begin; begin < mine.end; begin += GROUP) {
            const Pieces group = strips.pieces(begin, mine.end);
            pack_strips(group, k0, k, strip_memory);
            for (int s = 0; s < group.count; ++s)
                targets[s] = Target(group.of[s].height, [&](int i) { return out(group.of[s], i); });
            for (int64_t p = 0; p < panels(N); ++p) {
                const int64_t columns = std::min<int64_t>(PANEL, N - p * PANEL);
                targets[0].fetch_rows(p * PANEL, columns);
                for (int s = 0; s < group.count; ++s) {
                    if (s + 1 < group.count) targets[s + 1].fetch_rows(p * PANEL, columns);
                    targets[s].multiply_into(
                        p * PANEL, columns, k, strip_memory + s * STRIP * k, packed + p * PANEL * k,
                        block == 0, s == 0
                    );
                }
            }
        }
    }
    me.barrier.wait();
}

// Floats at the begin of a row that are asked for; the processor sees by itself what follows.
constexpr int64_t SEEN = 64;

// Strips of a matrix whose rows are theirs: row(piece, i) points to one.
template <class Row>
void pack_rows(const Pieces &group, Row row, int64_t k0, int64_t K, float *to) {
    for (int s = 0; s < group.count; ++s, to += STRIP * K) {
        for (int i = 0; s + 1 < group.count && i < group.of[s + 1].height; ++i)
            fetch(row(group.of[s + 1], i) + k0, std::min(K, SEEN));
        pack_strip_of_rows([&](int i) { return row(group.of[s], i); }, group.of[s].height, k0, K, to);
    }
}

// Strips of a matrix whose columns are their rows: row(k) points to column 0, and a part of the strips' rows
// begins every `part` columns. All strips at once, so that a cache line is read once.
template <class Row>
void pack_columns(const Pieces &group, Row row, int64_t part, int64_t k0, int64_t K, float *to) {
    const Piece &last = group.of[group.count - 1];
    const int64_t first = group.of[0].part * part + group.of[0].first;
    const int64_t span = last.part * part + last.first + last.height - first;
    for (int64_t k = 0; k < K; ++k) {
        const float *const from = row(k0 + k);
        if (k + AHEAD < K) fetch(row(k0 + k + AHEAD) + first, span);
        for (int s = 0; s < group.count; ++s) {
            const int rows = group.of[s].height;
            const float *const column = from + group.of[s].part * part + group.of[s].first;
            float *const at = to + s * STRIP * K + k * rows;
            // A full store runs into the next k, which is written after it.
            if (rows <= WIDTH && (K - k) * rows >= WIDTH)
                store(at, load_part(column, rows));
            else
                for (int i = 0; i < rows; ++i) at[i] = column[i];
        }
    }
}

}  // namespace seqlab
