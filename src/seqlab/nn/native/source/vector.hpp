// Vectors of floats as GCC's and Clang's vector extensions, so that one source compiles for every processor.
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
// A vector at any address; a pointer to Vector promises alignment to its size.
typedef float Unaligned __attribute__((vector_size(WIDTH * 4), aligned(4), may_alias));

SEQLAB_INLINE Vector load(const float *from) { return *reinterpret_cast<const Unaligned *>(from); }

SEQLAB_INLINE void store(float *to, Vector v) { *reinterpret_cast<Unaligned *>(to) = v; }

SEQLAB_INLINE Integers lanes() {
    Integers numbers;
    for (int i = 0; i < WIDTH; ++i) numbers[i] = i;
    return numbers;
}

// A vector with x in every lane. `x - 0` compiles to a plain broadcast: it is exact for every x, while `x +
// 0` would change -0 to +0 and could not be removed by the compiler.
SEQLAB_INLINE Vector broadcast(float x) { return x - Vector{}; }

// The first n floats followed by zeros, or WIDTH floats if n is larger. Memory after the n floats is not
// read.
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

// Prefetches the cache lines of an array. GCC regards a function that only prefetches as pure and removes
// calls to it; the empty asm statement counts as an effect.
SEQLAB_INLINE void prefetch(const float *from, int64_t floats) {
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

// Element-wise minimum and maximum; b where one of the two is NaN, as the instructions of x86 define it. So
// NaN passes through `clamped` and the ReLU of a cell, which have their argument as b. (The masked forms of
// AVX-512, because GCC 12 warns of uninitialised values in its own unmasked ones.)
SEQLAB_INLINE Vector minimum(Vector a, Vector b) {
#if SEQLAB_WIDTH == 16 && defined(__AVX512F__)
    return _mm512_maskz_min_ps(0xFFFF, a, b);
#elif SEQLAB_WIDTH == 8 && defined(__AVX2__)
    return _mm256_min_ps(a, b);
#else
    return a < b ? a : b;
#endif
}

SEQLAB_INLINE Vector maximum(Vector a, Vector b) {
#if SEQLAB_WIDTH == 16 && defined(__AVX512F__)
    return _mm512_maskz_max_ps(0xFFFF, a, b);
#elif SEQLAB_WIDTH == 8 && defined(__AVX2__)
    return _mm256_max_ps(a, b);
#else
    return a > b ? a : b;
#endif
}

SEQLAB_INLINE Vector clamped(Vector x, float low, float high) {
    return maximum(broadcast(low), minimum(broadcast(high), x));
}

// e^x with an error of one or two units in the last place; x is clamped to [-87, 87], where the result is
// finite and normal. Computed as 2^n e^r with |r| <= ln(2) / 2; the polynomial is that of Cephes' expf.
SEQLAB_INLINE Vector exponential(Vector x) {
    constexpr float LOG2_E = 1.44269504088896341f;
    constexpr float LN_2_HIGH = 0.693359375f, LN_2_LOW = -2.12194440e-4f;
    // 1.5 * 2^23: after adding it, the low bits of the significand are x / ln(2), rounded to an integer.
    constexpr float ROUND = 12582912.f;
    x = clamped(x, -87.f, 87.f);
    const Vector shifted = x * LOG2_E + ROUND;
    const Vector n = shifted - ROUND;
    const Integers exponent = (Integers)shifted - 0x4B400000;
    const Vector r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    Vector p = broadcast(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    const Integers power = (exponent + 127) << 23;
    return (p * (r * r) + r + 1.f) * (Vector)power;
}

SEQLAB_INLINE Vector logistic(Vector x) { return 1.f / (1.f + exponential(-x)); }

// A ratio of polynomials of degrees 13 and 6 (Eigen's minimax approximation); beyond 7.9 tanh rounds to 1 in
// float32.
SEQLAB_INLINE Vector hyperbolic_tangent(Vector x) {
    x = clamped(x, -7.90531110763549805f, 7.90531110763549805f);
    const Vector s = x * x;
    Vector p = broadcast(-2.76076847742355e-16f);
    p = p * s + 2.00018790482477e-13f;
    p = p * s + -8.60467152213735e-11f;
    p = p * s + 5.12229709037114e-08f;
    p = p * s + 1.48572235717979e-05f;
    p = p * s + 6.37261928875436e-04f;
    p = p * s + 4.89352455891786e-03f;
    Vector q = broadcast(1.19825839466702e-06f);
    q = q * s + 1.18534705686654e-04f;
    q = q * s + 2.26843463243900e-03f;
    q = q * s + 4.89352518554385e-03f;
    return x * p / q;
}

// One round of a transpose: swaps the off-diagonal quarters of every 2S x 2S block.
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

// Transposes WIDTH vectors of WIDTH floats in registers.
SEQLAB_INLINE void transpose(Vector (&rows)[WIDTH]) {
    if constexpr (WIDTH >= 16) swap_quarters<8>(rows);
    if constexpr (WIDTH >= 8) swap_quarters<4>(rows);
    swap_quarters<2>(rows);
    swap_quarters<1>(rows);
}

}  // namespace seqlab
