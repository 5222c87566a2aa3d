// Matrix products, blocked for the caches and computed by the threads of one call together.
//
// The left operand is divided into strips (blocks of rows), the right one into panels (blocks of columns),
// and K into blocks. For each block of K threads share the packing of the panels; then each multiplies its
// own strips with all of them.
#pragma once

#include "memory.hpp"
#include "team.hpp"
#include "tile.hpp"

namespace seqlab {

// Sizes: one panel of DEPTH rows stays in the first-level cache while strips are multiplied with it, and
// GROUP packed strips stay in the second-level cache.
constexpr int64_t DEPTH = WIDTH == 16 ? 384 : 320;
constexpr int64_t GROUP = 12;

// K in nearly equal blocks of at most DEPTH. How K is divided fixes the order of additions, and with it the
// last bits of results.
struct Depths {
    explicit Depths(int64_t K)
        : K(K), count((K + DEPTH - 1) / DEPTH), depth(count ? (K + count - 1) / count : 0) {}
    int64_t begin(int64_t block) const { return block * depth; }
    int64_t size(int64_t block) const { return std::min(depth, K - begin(block)); }
    int64_t K, count, depth;
};

// Working memory of a product with N columns, in floats: the panels of two blocks of K, so that one can be
// packed while a slower thread still reads the other; and the strips of one thread.
inline int64_t panel_floats(int64_t N) { return 2 * (N + PANEL) * DEPTH; }
constexpr int64_t STRIP_FLOATS = GROUP * STRIP * DEPTH + WIDTH;

// A strip of a matrix: rows first .. first + height - 1 of one of its parts; see `Strips`.
struct Piece {
    int64_t part, first;
    int height;
};

// The strips that are packed together and multiplied before the next ones are packed.
struct Pieces {
    Piece pieces[GROUP];
    int count;
};

// The rows of a matrix, in parts of `rows` rows each (the gates of a weight, or the whole matrix as one
// part). No strip crosses the border between parts.
struct Strips {
    Strips(int64_t parts, int64_t rows)
        : rows(rows), per_part((rows + STRIP - 1) / STRIP), count(parts * per_part) {}

    Pieces pieces(int64_t begin, int64_t end) const {
        Pieces group{};
        for (int64_t s = begin; s < std::min(end, begin + GROUP); ++s) {
            const Range range = share(rows, s % per_part, per_part);
            group.pieces[group.count++] = {
                s / per_part, range.begin, static_cast<int>(range.end - range.begin)
            };
        }
        return group;
    }

    int64_t rows, per_part, count;
};

// The destination of a strip of a product: one pointer per row.
class Target {
  public:
    Target() = default;
    template <class Row>
    Target(int rows, Row row) : rows_(rows), step_(rows > 1 ? row(1) - row(0) : 0) {
        for (int i = 0; i < rows; ++i) {
            to_[i] = row(i);
            if (to_[i] != to_[0] + i * step_) evenly_spaced_ = false;
        }
    }

    void prefetch_rows(int64_t column, int64_t columns) const {
        for (int i = 0; i < rows_; ++i) prefetch(to_[i] + column, columns);
    }

    void multiply_into(
        int64_t column, int64_t columns, int64_t K, const float *strip, const float *panel, bool overwrite,
        bool prefetching
    ) const {
        const int width = panel_width(columns);
        const Multiply multiply = multiply_for(rows_, width, prefetching);
        // At the right edge whole vectors would exceed the row, and unevenly spaced rows have no stride: the
        // product goes through a temporary tile.
        if (evenly_spaced_ && columns == width)
            return multiply(K, strip, rows_, panel, to_[0] + column, step_, overwrite);
        alignas(64) float tile[STRIP * PANEL];
        multiply(K, strip, rows_, panel, tile, PANEL, true);
        for (int i = 0; i < rows_; ++i)
            for (int v = 0; v < width; v += WIDTH) {
                float *const at = to_[i] + column + v;
                const Vector value = load(tile + i * PANEL + v);
                store_part(at, overwrite ? value : value + load_part(at, columns - v), columns - v);
            }
    }

  private:
    float *to_[STRIP];
    int rows_ = 0;
    int64_t step_ = 0;
    bool evenly_spaced_ = true;
};

// out = left right, over K, by all threads of a call, each of which has to call it.
//   strips: how the rows of `left` are divided.
//   pack_strips(pieces, k0, k, to): packs columns k0 .. k0 + k - 1 of strips, STRIP * k floats apart.
//   pack_panels(range, k0, k, to): packs rows k0 .. k0 + k - 1 of a range of panels; see `tile.hpp`.
//   out(piece, i): points to the destination of row i of a strip.
template <class PackStrips, class PackPanels, class Out>
void product(
    const Member &me, const Strips &strips, int64_t N, int64_t K, float *panel_memory, float *strip_memory,
    PackStrips pack_strips, PackPanels pack_panels, Out out
) {
    const Depths depths(K);
    const Range mine = me.share(strips.count);
    Target targets[GROUP];
    // At least once, so that a product over K = 0 writes zeros.
    for (int64_t block = 0; block < std::max<int64_t>(1, depths.count); ++block) {
        const int64_t k0 = depths.begin(block), k = depths.size(block);
        float *const packed = panel_memory + (block & 1) * (N + PANEL) * DEPTH;
        pack_panels(me.share(panels(N)), k0, k, packed);
        me.barrier.wait();
        for (int64_t begin = mine.begin; begin < mine.end; begin += GROUP) {
            const Pieces group = strips.pieces(begin, mine.end);
            pack_strips(group, k0, k, strip_memory);
            for (int s = 0; s < group.count; ++s)
                targets[s] = Target(group.pieces[s].height, [&](int i) { return out(group.pieces[s], i); });
            for (int64_t p = 0; p < panels(N); ++p) {
                const int64_t columns = std::min<int64_t>(PANEL, N - p * PANEL);
                targets[0].prefetch_rows(p * PANEL, columns);
                for (int s = 0; s < group.count; ++s) {
                    if (s + 1 < group.count) targets[s + 1].prefetch_rows(p * PANEL, columns);
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

// Floats at the beginning of a row that are prefetched; the processor then detects the sequential access
// itself.
constexpr int64_t PREFETCH_FLOATS = 64;

// Packs strips of a matrix; row(piece, i) points to row i of a strip.
template <class Row>
void pack_rows(const Pieces &group, Row row, int64_t k0, int64_t K, float *to) {
    for (int s = 0; s < group.count; ++s, to += STRIP * K) {
        for (int i = 0; s + 1 < group.count && i < group.pieces[s + 1].height; ++i)
            prefetch(row(group.pieces[s + 1], i) + k0, std::min(K, PREFETCH_FLOATS));
        pack_strip_of_rows([&](int i) { return row(group.pieces[s], i); }, group.pieces[s].height, k0, K, to);
    }
}

// Packs strips of a matrix that is stored transposed: row(k) points to the elements with index k of all rows,
// and each part of `Strips` begins `part` floats after the previous one. All strips are packed in one pass
// over k, so that each cache line is read once.
template <class Row>
void pack_columns(const Pieces &group, Row row, int64_t part, int64_t k0, int64_t K, float *to) {
    const Piece &last = group.pieces[group.count - 1];
    const int64_t first = group.pieces[0].part * part + group.pieces[0].first;
    const int64_t span = last.part * part + last.first + last.height - first;
    for (int64_t k = 0; k < K; ++k) {
        const float *const from = row(k0 + k);
        if (k + PREFETCH_ROWS < K) prefetch(row(k0 + k + PREFETCH_ROWS) + first, span);
        for (int s = 0; s < group.count; ++s) {
            const int rows = group.pieces[s].height;
            const float *const column = from + group.pieces[s].part * part + group.pieces[s].first;
            float *const at = to + s * STRIP * K + k * rows;
            // A store of a whole vector runs into the next k, which is written afterwards.
            if (rows <= WIDTH && (K - k) * rows >= WIDTH)
                store(at, load_part(column, rows));
            else
                for (int i = 0; i < rows; ++i) at[i] = column[i];
        }
    }
}

}  // namespace seqlab
