// For the sanitizers, in place of the library's own `memory.hpp`: every part of the working memory lies by itself
// and ends where it ends, so that each step over an end is seen; and new memory is all NaN, so that what is read
// before it is written is seen in the results.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

namespace seqlab {

class Pool {
  public:
    static Pool &shared() {
        static auto *pool = new Pool;
        return *pool;
    }

    float *take(int64_t floats) {
        const size_t bytes = static_cast<size_t>(floats) * sizeof(float);
        void *memory = nullptr;
        if (posix_memalign(&memory, 64, bytes ? bytes : 1) != 0) return nullptr;
        std::memset(memory, 0xFF, bytes);
        const std::lock_guard<std::mutex> hold(lock_);
        used_[static_cast<float *>(memory)] = static_cast<int64_t>(bytes);
        return static_cast<float *>(memory);
    }

    void give(float *memory) {
        const std::lock_guard<std::mutex> hold(lock_);
        used_.erase(memory);
        std::free(memory);
    }

    void drop() {}

    int64_t bytes(bool used) {
        const std::lock_guard<std::mutex> hold(lock_);
        int64_t total = 0;
        for (const auto &block : used_) total += block.second;
        return used ? total : 0;
    }

  private:
    std::mutex lock_;
    std::map<float *, int64_t> used_;
};

class Scratch {
  public:
    Scratch() = default;
    Scratch(const Scratch &) = delete;
    Scratch &operator=(const Scratch &) = delete;
    ~Scratch() {
        for (const Part &part : parts_)
            if (*part.where) Pool::shared().give(*part.where);
    }

    void want(float *&part, int64_t floats) {
        part = nullptr;
        parts_.push_back({&part, floats + OVERRUN});
    }

    bool allocate() {
        for (const Part &part : parts_)
            if (!(*part.where = Pool::shared().take(part.floats))) return false;
        return true;
    }

  private:
    static constexpr int64_t OVERRUN = 32;  // which the library grants itself, see its `Scratch`

    struct Part {
        float **where;
        int64_t floats;
    };

    std::vector<Part> parts_;
};

}  // namespace seqlab
