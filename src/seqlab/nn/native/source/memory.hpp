// Memory blocks that are reused: the page faults of a new block of 100 MB, about 30,000, take longer than the
// computation in it.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

namespace seqlab {

class Pool {
  public:
    // The only pool of this build. It is never destroyed: blocks may be released while the process exits.
    static Pool &shared() {
        static auto *pool = new Pool;
        return *pool;
    }

    // Returns null if there is not enough memory.
    float *allocate(int64_t floats) try {
        const size_t requested = static_cast<size_t>(floats) * sizeof(float);
        // Small blocks are rounded up in finer units, so that little is wasted.
        const size_t unit = requested < HUGE_PAGE ? HUGE_PAGE / 32 : HUGE_PAGE,
                     bytes = (requested / unit + 1) * unit;
        const std::lock_guard<std::mutex> lock(mutex_);
        if (Block *fitting = best(bytes)) {
            fitting->used = true;
            return fitting->memory;
        }
        // A cached block that is too small is freed in exchange, so that calls of growing sizes do not
        // accumulate blocks.
        if (Block *other = largest_below(bytes)) remove(*other);
        blocks_.reserve(blocks_.size() + 1);
        auto *memory = static_cast<float *>(std::aligned_alloc(unit, bytes));
        if (!memory) return nullptr;
#if defined(MADV_HUGEPAGE)
        if (bytes >= HUGE_PAGE) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
        blocks_.push_back({memory, bytes, true});
        return memory;
    } catch (const std::bad_alloc &) {
        return nullptr;
    }

    void release(const float *memory) {
        const std::lock_guard<std::mutex> lock(mutex_);
        for (Block &block : blocks_)
            if (block.memory == memory) block.used = false;
    }

    void release_unused() {
        const std::lock_guard<std::mutex> lock(mutex_);
        for (size_t i = blocks_.size(); i-- > 0;)
            if (!blocks_[i].used) remove(blocks_[i]);
    }

    // Total size of the blocks in use, or of the cached ones.
    int64_t bytes(bool used) {
        const std::lock_guard<std::mutex> lock(mutex_);
        int64_t total = 0;
        for (const Block &block : blocks_)
            if (block.used == used) total += static_cast<int64_t>(block.bytes);
        return total;
    }

  private:
    static constexpr size_t HUGE_PAGE = size_t{2} << 20;  // bytes

    struct Block {
        float *memory;
        size_t bytes;
        bool used;
    };

    // The smallest unused block that is large enough, unless it is more than three times as large as needed.
    Block *best(size_t bytes) {
        Block *found = nullptr;
        for (Block &block : blocks_)
            if (!block.used && block.bytes >= bytes && block.bytes / 3 <= std::max(bytes, HUGE_PAGE) &&
                (!found || block.bytes < found->bytes))
                found = &block;
        return found;
    }

    // The largest unused block that is too small.
    Block *largest_below(size_t bytes) {
        Block *found = nullptr;
        for (Block &block : blocks_)
            if (!block.used && block.bytes < bytes && (!found || block.bytes > found->bytes)) found = &block;
        return found;
    }

    void remove(Block &block) {
        std::free(block.memory);
        block = blocks_.back();
        blocks_.pop_back();
    }

    std::mutex mutex_;
    std::vector<Block> blocks_;
};

// Working memory of one call: one block, divided into parts, released when the call ends.
class Scratch {
  public:
    Scratch() = default;
    Scratch(const Scratch &) = delete;
    Scratch &operator=(const Scratch &) = delete;
    ~Scratch() {
        if (block_) Pool::shared().release(block_);
    }

    // Requests a part of `floats` floats, 64-byte aligned; `allocate` sets the pointer.
    void reserve(float *&part, int64_t floats) {
        parts_.push_back({&part, total_});
        total_ += (floats + OVERRUN + 15) / 16 * 16;
    }

    bool allocate() {
        block_ = Pool::shared().allocate(total_);
        for (const Part &part : parts_) *part.where = block_ ? block_ + part.at : nullptr;
        return block_ != nullptr;
    }

  private:
    // Floats after each part: kernels store whole vectors, which may exceed the end of a part.
    static constexpr int64_t OVERRUN = 32;

    struct Part {
        float **where;
        int64_t at;
    };

    std::vector<Part> parts_;
    int64_t total_ = 0;
    float *block_ = nullptr;
};

}  // namespace seqlab
