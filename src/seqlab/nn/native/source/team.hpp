// The threads of one call: dividing work among them, starting them, and the barrier between them.
#pragma once

#include <omp.h>

#include <atomic>
#include <climits>
#include <cstdint>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#include <sched.h>
#endif

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace seqlab {

struct Range {
    int64_t begin, end;
};

// Part number `part` when 0 .. count - 1 is divided into `parts` nearly equal parts.
inline Range share(int64_t count, int64_t part, int64_t parts) {
    return {count * part / parts, count * (part + 1) / parts};
}

// Puts the calling thread to sleep while `word` has the value `expected`. It may return earlier, so the caller
// checks again. Where the system has no such call, the thread only gives up its turn.
inline void sleep_while(std::atomic<uint32_t> &word, uint32_t expected) {
#if defined(__linux__)
    syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
#else
    if (word.load(std::memory_order_acquire) == expected) sched_yield();
#endif
}

// Wakes all threads that sleep on `word`.
inline void wake_all(std::atomic<uint32_t> &word) {
#if defined(__linux__)
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
#else
    static_cast<void>(word);
#endif
}

// A barrier that spins for some microseconds, as long as a step of a recurrence takes, and then sleeps: the
// thread that it waits for may have lost its processor, and then needs this one.
class Barrier {
  public:
    explicit Barrier(int members) : members_(members) {}

    void wait() {
        if (members_ == 1) return;
        const uint32_t round = round_.load(std::memory_order_acquire);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) == members_ - 1) {
            // Reset before the round is published: a released thread may enter the next round at once.
            arrived_.store(0, std::memory_order_relaxed);
            round_.store(round + 1);
            // Either this thread sees the sleeper, or the sleeper sees the new round before it sleeps.
            if (sleepers_.load()) wake_all(round_);
            return;
        }
        for (int turns = 0; turns < SPINS; ++turns) {
            if (round_.load(std::memory_order_acquire) != round) return;
            pause();
        }
        sleepers_.fetch_add(1);
        while (round_.load() == round) sleep_while(round_, round);
        sleepers_.fetch_sub(1);
    }

  private:
    static constexpr int SPINS = 400;  // about 5 microseconds

    static void pause() {
#if defined(__SSE__)
        _mm_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
    }

    alignas(64) std::atomic<int> arrived_{0};
    alignas(64) std::atomic<uint32_t> round_{0};
    std::atomic<int> sleepers_{0};
    const int members_;
};
// One of the `size` threads that share a piece of work.
struct Member {
    int number, size;
    Barrier &barrier;

    Range share(int64_t count) const { return seqlab::share(count, number, size); }
};

// Treats denormal numbers as zero while it is alive (FTZ and DAZ of MXCSR): vanishing gradients reach them,
// and arithmetic on them is about a hundred times slower. The flags belong to the thread, and the caller's
// are restored.
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

// Runs work(member) in each of `threads` threads. Returns false, with nothing run, if OpenMP starts fewer:
// then the barrier would wait for ever.
template <class Work>
bool run_parallel(int64_t threads, Work work) {
    Barrier barrier(static_cast<int>(threads));
    bool enough = true;
#pragma omp parallel num_threads(static_cast<int>(threads))
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

// The number of threads that OpenMP will start if asked for `threads`. It is 1 inside another parallel
// region, and with dynamic adjustment, where the number could differ from call to call.
inline int64_t available_threads(int64_t threads) {
    if (threads <= 1 || omp_get_level() > 0 || omp_get_dynamic()) return 1;
    return threads < omp_get_thread_limit() ? threads : omp_get_thread_limit();
}

}  // namespace seqlab
