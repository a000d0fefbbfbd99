/* V floats side by side: all that differs between instruction sets stands in this file.
 *
 * The compiler's options choose V: 16 lanes with AVX-512, 8 with AVX2, else 4 (SSE, NEON, or
 * whatever the compiler makes of four floats).
 */
#ifndef SPRING_LANES_H
#define SPRING_LANES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)
#include <immintrin.h>
#define V 16
#define LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODD 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define REVERSED 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0
#define PARTNERS 0, 1, 3, 2, 7, 6, 5, 4, 15, 14, 13, 12, 11, 10, 9, 8
typedef uint16_t bits; /* one for each lane */
#elif defined(__AVX2__)
#include <immintrin.h>
#define V 8
#define LOW 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH 4, 12, 5, 13, 6, 14, 7, 15
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define ODD 1, 3, 5, 7, 9, 11, 13, 15
#define REVERSED 7, 6, 5, 4, 3, 2, 1, 0
#define PARTNERS 0, 1, 3, 2, 7, 6, 5, 4
#define BIT_OF_LANE 1, 2, 4, 8, 16, 32, 64, 128
typedef uint8_t bits;
#else
#define V 4
#define LOW 0, 4, 1, 5
#define HIGH 2, 6, 3, 7
#define EVEN 0, 2, 4, 6
#define ODD 1, 3, 5, 7
#define REVERSED 3, 2, 1, 0
#define PARTNERS 0, 1, 3, 2
#define BIT_OF_LANE 1, 2, 4, 8
typedef uint8_t bits;
#endif

typedef float lanes __attribute__((vector_size(4 * V)));
typedef int32_t lanes_int __attribute__((vector_size(4 * V)));
typedef struct {
    lanes re, im;
} clanes;

#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (lanes_int){__VA_ARGS__})
#endif

INLINE lanes all(float value) { return (lanes){0} + value; }

/* From and to arrays of other people, whose address is a multiple of 4 only. */
INLINE lanes loaded(const float *from) {
    lanes values;
    memcpy(&values, from, sizeof values);
    return values;
}
INLINE void store(float *to, lanes values) { memcpy(to, &values, sizeof values); }

/* ---- choices, lane by lane */

#if V == 16
typedef __mmask16 mask;
INLINE mask at_least(lanes a, lanes b) {
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GE_OQ);
}
INLINE mask mask_of(bits set) { return set; }
INLINE lanes choose(mask where, lanes a, lanes b) {
    return (lanes)_mm512_mask_blend_ps(where, (__m512)b, (__m512)a);
}
#else
typedef lanes_int mask;
INLINE mask at_least(lanes a, lanes b) { return a >= b; }
INLINE mask mask_of(bits set) {
    const lanes_int bit = {BIT_OF_LANE};
    return (((lanes_int){0} + set) & bit) != 0;
}
INLINE lanes choose(mask where, lanes a, lanes b) {
    return (lanes)(((lanes_int)a & where) | ((lanes_int)b & ~where));
}
#endif

/* ---- arithmetic that has instructions of its own */

#if V == 16
INLINE lanes smaller(lanes a, lanes b) { return (lanes)_mm512_min_ps((__m512)a, (__m512)b); }
INLINE lanes larger(lanes a, lanes b) { return (lanes)_mm512_max_ps((__m512)a, (__m512)b); }
INLINE lanes root(lanes a) { return (lanes)_mm512_sqrt_ps((__m512)a); }
INLINE lanes estimate(lanes a) { return (lanes)_mm512_rsqrt14_ps((__m512)a); }
#elif V == 8
INLINE lanes smaller(lanes a, lanes b) { return (lanes)_mm256_min_ps((__m256)a, (__m256)b); }
INLINE lanes larger(lanes a, lanes b) { return (lanes)_mm256_max_ps((__m256)a, (__m256)b); }
INLINE lanes root(lanes a) { return (lanes)_mm256_sqrt_ps((__m256)a); }
INLINE lanes estimate(lanes a) { return (lanes)_mm256_rsqrt_ps((__m256)a); }
#else
INLINE lanes smaller(lanes a, lanes b) { return choose(at_least(a, b), b, a); }
INLINE lanes larger(lanes a, lanes b) { return choose(at_least(a, b), a, b); }
INLINE lanes root(lanes a) {
    for (int lane = 0; lane < V; lane++) a[lane] = sqrtf(a[lane]);
    return a;
}
#endif

/* 1 / sqrt(a), to 3e-7; nothing that makes sense for a < 1e-38 */
INLINE lanes inverse_root(lanes a) {
#if V == 4
    return 1.0f / root(a);
#else
    lanes first = estimate(a);
    return first * (1.5f - 0.5f * a * first * first); /* one step of Newton's */
#endif
}

INLINE float sum(lanes a) {
    float total = 0;
    for (int lane = 0; lane < V; lane++) total += a[lane];
    return total;
}

/* ---- orders */

INLINE clanes reversed(clanes z) {
    return (clanes){SHUFFLE(z.re, z.re, REVERSED), SHUFFLE(z.im, z.im, REVERSED)};
}

/* Partners -k of the first V frequencies k, both in bit-reversed order. */
INLINE clanes first_partners(clanes z) {
    return (clanes){SHUFFLE(z.re, z.re, PARTNERS), SHUFFLE(z.im, z.im, PARTNERS)};
}

/* (re, im) x V as two vectors of V floats, and back */
INLINE clanes deinterleaved(lanes left, lanes right) {
    return (clanes){SHUFFLE(left, right, EVEN), SHUFFLE(left, right, ODD)};
}
INLINE lanes interleaved_left(clanes z) { return SHUFFLE(z.re, z.im, LOW); }
INLINE lanes interleaved_right(clanes z) { return SHUFFLE(z.re, z.im, HIGH); }

/* Row i, lane j becomes row j, lane i: a perfect shuffle of all V x V, log2 V times. */
INLINE void transpose(lanes tile[V]) {
    lanes other[V];
    for (int stride = 1; stride < V; stride *= 2) {
        for (int i = 0; i < V / 2; i++) {
            other[2 * i] = SHUFFLE(tile[i], tile[i + V / 2], LOW);
            other[2 * i + 1] = SHUFFLE(tile[i], tile[i + V / 2], HIGH);
        }
        for (int i = 0; i < V; i++) tile[i] = other[i];
    }
}

#endif
