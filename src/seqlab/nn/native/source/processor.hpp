// Which build the processor runs, and its measured peak rate.
#pragma once

#include <chrono>

#include "kernels.h"
#include "team.hpp"
#include "vector.hpp"

namespace seqlab {

// Independent chains of multiply-adds: two units with a latency of four or five cycles need at least ten.
constexpr int CHAINS = 12;

inline float multiply_add(int64_t rounds) {
    Vector chains[CHAINS];
    for (int i = 0; i < CHAINS; ++i) chains[i] = broadcast(0.1f * static_cast<float>(i));
    // Chosen so that chains converge to 1: overflow or denormals would change the speed.
    const Vector factor = broadcast(0.999f), term = broadcast(0.001f);
    for (int64_t round = 0; round < rounds; ++round) {
        SEQLAB_UNROLL
        for (int i = 0; i < CHAINS; ++i) chains[i] = chains[i] * factor + term;
    }
    Vector total{};
    for (const Vector &chain : chains) total += chain;
    return sum(total);
}

inline double peak(int64_t threads) {
    using Clock = std::chrono::steady_clock;
    constexpr int64_t ROUNDS = 400'000;
    Clock::time_point begin, end;
    volatile float sink = 0;  // keeps the compiler from removing the loop
    const int64_t used = available_threads(threads);
    const bool ran = run_parallel(used, [&](const Member &me) {
        me.barrier.wait();
        if (me.number == 0) begin = Clock::now();
        const float result = multiply_add(ROUNDS);
        me.barrier.wait();
        if (me.number == 0) end = Clock::now(), sink = result;
    });
    const double flop = 2.0 * CHAINS * WIDTH * static_cast<double>(ROUNDS * used);
    return ran ? flop / std::chrono::duration<double>(end - begin).count() * 1e-9 : 0;
}

inline int level() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 =
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512cd");
    return avx2 && avx512 ? 2 : avx2 ? 1 : 0;
#else
    return 0;
#endif
}

}  // namespace seqlab
