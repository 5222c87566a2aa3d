// Threads of one call, and what keeps them in step.
#pragma once

#include <omp.h>
#include <sched.h>

#include <atomic>
#include <cstdint>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace seqlab {

struct Range {
    int64_t begin, end;
};

// The part-th of `parts` nearly equal parts of 0 .. count - 1.
inline Range share(int64_t count, int64_t part, int64_t parts) {
    return {count * part / parts, count * (part + 1) / parts};
}

// Steps of a recurrence take microseconds, so waiting threads spin; when the other one was sent away by the
// system they let go of the processor.
class Barrier {
  public:
    explicit Barrier(int members) : members_(members) {}

    void wait() {
        if (members_ == 1) return;
        const int round = round_.load(std::memory_order_acquire);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) == members_ - 1) {
            arrived_.store(0, std::memory_order_relaxed);
            round_.store(round + 1, std::memory_order_release);
            return;
        }
        for (int turns = 0; round_.load(std::memory_order_acquire) == round; ++turns)
            turns < PATIENCE ? pause() : static_cast<void>(sched_yield());
    }

  private:
    static constexpr int PATIENCE = 4000;  // some 50 microseconds

    static void pause() {
#if defined(__SSE__)
        _mm_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
    }

    alignas(64) std::atomic<int> arrived_{0};
    alignas(64) std::atomic<int> round_{0};
    const int members_;
};

// One of `size` threads that share a task.
struct Member {
    int number, size;
    Barrier &barrier;

    Range share(int64_t count) const { return seqlab::share(count, number, size); }
};

// While it lives, numbers below the smallest normal one are zeros: they take processors a hundred times
// longer.
class FlushDenormals {
#if defined(__SSE__)
  public:
    FlushDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }
    ~FlushDenormals() { _mm_setcsr(before_); }
    FlushDenormals(const FlushDenormals &) = delete;
    FlushDenormals &operator=(const FlushDenormals &) = delete;

  private:
    const unsigned before_;
#endif
};

// Runs work(member) in each of so many threads; false if the system gives fewer, and then nothing was run.
template <class Work>
bool together(int64_t threads, Work work) {
    Barrier barrier(static_cast<int>(threads));
    bool enough = true;
#pragma omp parallel num_threads(static_cast <int>(threads))
    {
        if (omp_get_num_threads() == threads) {
            const FlushDenormals flush;
            work(Member{omp_get_thread_num(), static_cast<int>(threads), barrier});
        } else if (omp_get_thread_num() == 0) {
            enough = false;
        }
    }
    return enough;
}

// How many threads the system gives when asked for so many: one inside another parallel region, and where it
// is left to choose each time anew.
inline int64_t granted(int64_t threads) {
    if (threads <= 1 || omp_get_level() > 0 || omp_get_dynamic()) return 1;
    return threads < omp_get_thread_limit() ? threads : omp_get_thread_limit();
}

}  // namespace seqlab
