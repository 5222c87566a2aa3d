// Memory in blocks that are used again. A fresh block of 100 MB costs 30,000 page faults, more than the work
// on it.
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
    // The one of this library. It is never destroyed: blocks may come back while the process ends.
    static Pool &shared() {
        static auto *pool = new Pool;
        return *pool;
    }

    // Null when there is none.
    float *take(int64_t floats) try {
        const size_t wanted = static_cast<size_t>(floats) * sizeof(float);
        // Small blocks are told apart more finely, so that little is wasted.
        const size_t unit = wanted < PAGE ? PAGE / 32 : PAGE, bytes = (wanted / unit + 1) * unit;
        const std::lock_guard<std::mutex> hold(lock_);
        if (Block *fitting = best(bytes)) {
            fitting->used = true;
            return fitting->memory;
        }
        // A block that is too small now makes room, so that no more are kept than were ever in use at once.
        if (Block *other = largest_below(bytes)) remove(*other);
        blocks_.reserve(blocks_.size() + 1);
        auto *memory = static_cast<float *>(std::aligned_alloc(unit, bytes));
        if (!memory) return nullptr;
#if defined(MADV_HUGEPAGE)
        if (bytes >= PAGE) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
        blocks_.push_back({memory, bytes, true});
        return memory;
    } catch (const std::bad_alloc &) {
        return nullptr;
    }

    void give(const float *memory) {
        const std::lock_guard<std::mutex> hold(lock_);
        for (Block &block : blocks_)
            if (block.memory == memory) block.used = false;
    }

    void drop() {
        const std::lock_guard<std::mutex> hold(lock_);
        for (size_t i = blocks_.size(); i-- > 0;)
            if (!blocks_[i].used) remove(blocks_[i]);
    }

    // Bytes of blocks that are used, or that are not.
    int64_t bytes(bool used) {
        const std::lock_guard<std::mutex> hold(lock_);
        int64_t total = 0;
        for (const Block &block : blocks_)
            if (block.used == used) total += static_cast<int64_t>(block.bytes);
        return total;
    }

  private:
    static constexpr size_t PAGE = size_t{2} << 20;  // of the huge pages asked for

    struct Block {
        float *memory;
        size_t bytes;
        bool used;
    };

    // The smallest unused block that is large enough, and not so large that much of it would lie idle.
    Block *best(size_t bytes) {
        Block *found = nullptr;
        for (Block &block : blocks_)
            if (!block.used && block.bytes >= bytes && block.bytes / 3 <= std::max(bytes, PAGE) &&
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

    std::mutex lock_;
    std::vector<Block> blocks_;
};

// Working memory of one call, cut into parts; handed back at its end.
class Scratch {
  public:
    Scratch() = default;
    Scratch(const Scratch &) = delete;
    Scratch &operator=(const Scratch &) = delete;
    ~Scratch() {
        if (block_) Pool::shared().give(block_);
    }

    // A part of so many floats, 64-byte aligned; `allocate` fills in where it lies.
    void want(float *&part, int64_t floats) {
        wanted_.push_back({&part, total_});
        total_ += (floats + OVERRUN + 15) / 16 * 16;
    }

    bool allocate() {
        block_ = Pool::shared().take(total_);
        for (const Part &part : wanted_) *part.where = block_ ? block_ + part.at : nullptr;
        return block_ != nullptr;
    }

  private:
    static constexpr int64_t OVERRUN = 32;  // stores of whole vectors may run a little over the end of a part

    struct Part {
        float **where;
        int64_t at;
    };

    std::vector<Part> wanted_;
    int64_t total_ = 0;
    float *block_ = nullptr;
};

}  // namespace seqlab
