// Dropout whose mask is drawn by the kernel itself, and drawn again in the backward pass in place of kept.
#pragma once

#include <algorithm>
#include <cstring>

#include "kernels.h"
#include "team.hpp"
#include "vector.hpp"

namespace seqlab {

// 16 generators side by side, whatever the width of the build's vectors: all builds draw the same numbers.
constexpr int GENERATORS = 16;
constexpr int PARTS = GENERATORS / WIDTH;
typedef uint32_t Words __attribute__((vector_size(WIDTH * 4)));

// Numbers drawn from one seeding; threads share whole blocks.
constexpr int64_t DRAWS = 4096;

// SplitMix64 (Steele, Lea and Flood 2014): turns consecutive seeds into unrelated states.
class SplitMix {
  public:
    explicit SplitMix(uint64_t state) : state_(state) {}

    uint64_t next() {
        state_ += 0x9E3779B97F4A7C15u;
        uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        return z ^ (z >> 31);
    }

  private:
    uint64_t state_;
};

// xoshiro128++ (Blackman and Vigna 2021) in each lane.
class Xoshiro {
  public:
    Xoshiro(uint64_t seed, int64_t block) {
        // A block's first state is far from its neighbours' ones: the seed is mixed before the block is added.
        SplitMix states(SplitMix(seed).next() + static_cast<uint64_t>(block) * 0xD1342543DE82EF95u);
        uint32_t words[PARTS][4][WIDTH];
        for (int lane = 0; lane < GENERATORS; ++lane)
            for (int half = 0; half < 2; ++half) {
                const uint64_t drawn = states.next();
                words[lane / WIDTH][2 * half][lane % WIDTH] = static_cast<uint32_t>(drawn);
                words[lane / WIDTH][2 * half + 1][lane % WIDTH] = static_cast<uint32_t>(drawn >> 32);
            }
        std::memcpy(state_, words, sizeof words);
    }

    // The next number of each generator of a part.
    SEQLAB_INLINE Words next(int part) {
        Words(&state)[4] = state_[part];
        const Words sum = state[0] + state[3];
        const Words drawn = (sum << 7 | sum >> 25) + state[0];
        const Words shifted = state[1] << 9;
        state[2] ^= state[0];
        state[3] ^= state[1];
        state[1] ^= state[2];
        state[0] ^= state[3];
        state[2] ^= shifted;
        state[3] = state[3] << 11 | state[3] >> 21;
        return drawn;
    }

  private:
    Words state_[PARTS][4];
};

// The factor of an element: 0, or 1 / (1 - share).
struct Keeping {
    uint64_t seed;
    uint32_t threshold;
    float scale;

    Keeping(uint64_t seed, double share)
        : seed(seed),
          threshold(static_cast<uint32_t>(share * 4294967296.0)),
          scale(static_cast<float>(1 / (1 - share))) {}

    // x * keep / (1 - share) of the next elements; not x * 0, which is NaN for infinite x.
    SEQLAB_INLINE Vector operator()(Xoshiro &generator, int part, Vector x) const {
        const Words kept = (Words)(generator.next(part) >= threshold);
        return (Vector)((Words)(x * scale) & kept);
    }
};

inline void drop_block(const Keeping &kept, int64_t block, const float *x, float *y, int64_t count) {
    Xoshiro generator(kept.seed, block);
    int64_t at = 0;
    for (; at + GENERATORS <= count; at += GENERATORS) {
        SEQLAB_UNROLL
        for (int part = 0; part < PARTS; ++part) {
            const int64_t first = at + part * WIDTH;
            store(y + first, kept(generator, part, load(x + first)));
        }
    }
    for (int part = 0; at < count; ++part, at += WIDTH)
        store_part(y + at, kept(generator, part, load_part(x + at, count - at)), count - at);
}

inline void drop(const seqlab_dropped &d) {
    const Keeping kept(d.seed, d.share);
    const int64_t blocks = (d.count + DRAWS - 1) / DRAWS;
    const auto work = [&](const Member &me) {
        const Range mine = me.share(blocks);
        for (int64_t block = mine.begin; block < mine.end; ++block) {
            const int64_t first = block * DRAWS;
            drop_block(kept, block, d.x + first, d.y + first, std::min(DRAWS, d.count - first));
        }
    };
    if (!run_parallel(available_threads(d.threads), work)) run_parallel(1, work);
}

}  // namespace seqlab
