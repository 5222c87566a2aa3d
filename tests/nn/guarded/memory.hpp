// Replaces the library's own `memory.hpp` for the sanitizers. Every part of the working memory is an
// allocation of its own, so that each access past its end is detected. New memory is filled with NaN, so that
// values that are read before they are written appear in the results.
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

    float *allocate(int64_t floats) {
        const size_t bytes = static_cast<size_t>(floats) * sizeof(float);
        void *memory = nullptr;
        if (posix_memalign(&memory, 64, bytes ? bytes : 1) != 0) return nullptr;
        std::memset(memory, 0xFF, bytes);
        const std::lock_guard<std::mutex> lock(mutex_);
        used_[static_cast<float *>(memory)] = static_cast<int64_t>(bytes);
        return static_cast<float *>(memory);
    }

    void release(float *memory) {
        const std::lock_guard<std::mutex> lock(mutex_);
        used_.erase(memory);
        std::free(memory);
    }

    void release_unused() {}

    int64_t bytes(bool used) {
        const std::lock_guard<std::mutex> lock(mutex_);
        int64_t total = 0;
        for (const auto &block : used_) total += block.second;
        return used ? total : 0;
    }

  private:
    std::mutex mutex_;
    std::map<float *, int64_t> used_;
};

class Scratch {
  public:
    Scratch() = default;
    Scratch(const Scratch &) = delete;
    Scratch &operator=(const Scratch &) = delete;
    ~Scratch() {
        for (const Part &part : parts_)
            if (*part.where) Pool::shared().release(*part.where);
    }

    void reserve(float *&part, int64_t floats) {
        part = nullptr;
        parts_.push_back({&part, floats + OVERRUN});
    }

    bool allocate() {
        for (const Part &part : parts_)
            if (!(*part.where = Pool::shared().allocate(part.floats))) return false;
        return true;
    }

  private:
    static constexpr int64_t OVERRUN = 32;  // as in the library's own `Scratch`

    struct Part {
        float **where;
        int64_t floats;
    };

    std::vector<Part> parts_;
};

}  // namespace seqlab
