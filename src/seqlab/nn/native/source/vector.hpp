// Vectors of floats in the compiler's own notation, so that one source serves every processor.
#pragma once

#include <cstdint>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define SEQLAB_INLINE inline __attribute__((always_inline))
#define SEQLAB_UNROLL _Pragma("GCC unroll 16")

namespace seqlab {

constexpr int WIDTH = SEQLAB_WIDTH;  // floats in a vector

typedef float Vector __attribute__((vector_size(WIDTH * 4)));
typedef int32_t Integers __attribute__((vector_size(WIDTH * 4)));
typedef double Doubles __attribute__((vector_size(WIDTH * 8)));
// The same anywhere in memory.
typedef float Unaligned __attribute__((vector_size(WIDTH * 4), aligned(4), may_alias));

SEQLAB_INLINE Vector load(const float *from) { return *reinterpret_cast<const Unaligned *>(from); }

SEQLAB_INLINE void store(float *to, Vector v) { *reinterpret_cast<Unaligned *>(to) = v; }

SEQLAB_INLINE Integers lanes() {
    Integers numbers;
    for (int i = 0; i < WIDTH; ++i) numbers[i] = i;
    return numbers;
}

// x everywhere. Subtracting +0 changes no float, while adding it would turn -0 around, so that compilers
// have to add; the subtraction costs nothing.
SEQLAB_INLINE Vector all(float x) { return x - Vector{}; }

// The first n floats, zeros behind them; all of them if n is WIDTH or more. Nothing behind them is touched.
SEQLAB_INLINE Vector load_part(const float *from, int64_t n) {
    if (n >= WIDTH) return load(from);
#if SEQLAB_WIDTH == 16 && defined(__AVX512F__)
    return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), from);
#elif SEQLAB_WIDTH == 8 && defined(__AVX2__)
    return _mm256_maskload_ps(from, reinterpret_cast<__m256i>(lanes() < static_cast<int32_t>(n)));
#else
    float part[WIDTH] = {};
    for (int64_t i = 0; i < n; ++i) part[i] = from[i];
    return load(part);
#endif
}

SEQLAB_INLINE void store_part(float *to, Vector v, int64_t n) {
    if (n >= WIDTH) return store(to, v);
#if SEQLAB_WIDTH == 16 && defined(__AVX512F__)
    _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << n) - 1), v);
#elif SEQLAB_WIDTH == 8 && defined(__AVX2__)
    _mm256_maskstore_ps(to, reinterpret_cast<__m256i>(lanes() < static_cast<int32_t>(n)), v);
#else
    for (int64_t i = 0; i < n; ++i) to[i] = v[i];
#endif
}

// Asks for the cache lines of floats that are needed soon. GCC takes a function that does nothing else for
// one without effect and leaves out its calls; the empty statement is an effect.
SEQLAB_INLINE void fetch(const float *from, int64_t floats) {
    constexpr int64_t LINE = 64 / sizeof(float);
    for (int64_t at = 0; at < floats; at += LINE) __builtin_prefetch(from + at);
    if (floats > 0) __builtin_prefetch(from + floats - 1);
    asm volatile("");
}

// total += v, in double precision.
SEQLAB_INLINE void add(Doubles &total, const Vector &v) { total += __builtin_convertvector(v, Doubles); }

template <class AnyVector>
SEQLAB_INLINE auto sum(const AnyVector &v) {
    auto total = v[0] + v[1];
    for (int i = 2; i < WIDTH; ++i) total += v[i];
    return total;
}

// The smaller and the larger number; b where one is NaN, which is what processors have an instruction for.
// (The masked forms of AVX-512, because GCC 12 warns of uninitialised numbers inside its own plain ones.)
SEQLAB_INLINE Vector smaller(Vector a, Vector b) {
#if SEQLAB_WIDTH == 16 && defined(__AVX512F__)
    return _mm512_maskz_min_ps(0xFFFF, a, b);
#elif SEQLAB_WIDTH == 8 && defined(__AVX2__)
    return _mm256_min_ps(a, b);
#else
    return a < b ? a : b;
#endif
}

SEQLAB_INLINE Vector larger(Vector a, Vector b) {
#if SEQLAB_WIDTH == 16 && defined(__AVX512F__)
    return _mm512_maskz_max_ps(0xFFFF, a, b);
#elif SEQLAB_WIDTH == 8 && defined(__AVX2__)
    return _mm256_max_ps(a, b);
#else
    return a > b ? a : b;
#endif
}

SEQLAB_INLINE Vector within(Vector x, float low, float high) {
    return larger(all(low), smaller(all(high), x));
}

// e^x to a unit or two in the last place, for |x| up to 87, beyond which it stays there. 2^n e^r with |r| at
// most ln(2) / 2; the polynomial is Cephes' expf.
SEQLAB_INLINE Vector exponential(Vector x) {
    constexpr float LOG2_E = 1.44269504088896341f;
    constexpr float LN_2_HIGH = 0.693359375f, LN_2_LOW = -2.12194440e-4f;
    constexpr float ROUND = 12582912.f;  // 1.5 * 2^23: adding it leaves a whole number in the last bits
    x = within(x, -87.f, 87.f);
    const Vector shifted = x * LOG2_E + ROUND;
    const Vector n = shifted - ROUND;
    const Integers exponent = (Integers)shifted - 0x4B400000;
    const Vector r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    Vector p = all(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    const Integers power = (exponent + 127) << 23;
    return (p * (r * r) + r + 1.f) * (Vector)power;
}

SEQLAB_INLINE Vector logistic(Vector x) { return 1.f / (1.f + exponential(-x)); }

// A ratio of polynomials of degrees 13 and 6, the minimax one that Eigen uses; beyond 7.9 it is 1 in float32.
SEQLAB_INLINE Vector hyperbolic_tangent(Vector x) {
    x = within(x, -7.90531110763549805f, 7.90531110763549805f);
    const Vector s = x * x;
    Vector p = all(-2.76076847742355e-16f);
    p = p * s + 2.00018790482477e-13f;
    p = p * s + -8.60467152213735e-11f;
    p = p * s + 5.12229709037114e-08f;
    p = p * s + 1.48572235717979e-05f;
    p = p * s + 6.37261928875436e-04f;
    p = p * s + 4.89352455891786e-03f;
    Vector q = all(1.19825839466702e-06f);
    q = q * s + 1.18534705686654e-04f;
    q = q * s + 2.26843463243900e-03f;
    q = q * s + 4.89352518554385e-03f;
    return x * p / q;
}

// One round of a transpose: swaps the off-diagonal quarters of every 2S x 2S square.
template <int S>
SEQLAB_INLINE void swap_quarters(Vector (&rows)[WIDTH]) {
    Integers upper{}, lower{};
    SEQLAB_UNROLL
    for (int i = 0; i < WIDTH; ++i) {
        upper[i] = (i & S) ? WIDTH + i - S : i;
        lower[i] = (i & S) ? WIDTH + i : i + S;
    }
    SEQLAB_UNROLL
    for (int i = 0; i < WIDTH; ++i) {
        if (i & S) continue;
        const Vector a = rows[i], b = rows[i | S];
        rows[i] = __builtin_shuffle(a, b, upper);
        rows[i | S] = __builtin_shuffle(a, b, lower);
    }
}

// WIDTH vectors of WIDTH floats, in registers.
SEQLAB_INLINE void transpose(Vector (&rows)[WIDTH]) {
    if constexpr (WIDTH >= 16) swap_quarters<8>(rows);
    if constexpr (WIDTH >= 8) swap_quarters<4>(rows);
    swap_quarters<2>(rows);
    swap_quarters<1>(rows);
}

}  // namespace seqlab
