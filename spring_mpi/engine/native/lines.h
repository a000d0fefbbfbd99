/* Fourier transforms of V lines at once.
 *
 * Each lane is a transform of its own, so butterflies have no shuffles. The forward transform
 * decimates in frequency: a butterfly splits n points into `radix` transforms of m = n / radix
 * points, which follow on while they are in the cache. The inverse joins them again (decimation in
 * time). Butterflies leave their outputs in bit-reversed order among themselves, so that the order
 * of the whole is bit reversal whatever the radices are. Cooley and Tukey, Math. Comput. 19, 297
 * (1965); Gentleman and Sande, Proc. AFIPS 29, 563 (1966).
 */
#ifndef SPRING_LINES_H
#define SPRING_LINES_H

#include "lanes.h"

enum { LEVELS = 32, MOST_RADIX = 8, LEAF = 4 };

/* Twiddle factors of the transforms of 2^k points. */
typedef struct {
    float *twiddles[LEVELS]; /* [log2 n]: w^(j k), w = exp(-2 pi i / n), as (re, im)[j][k - 1] */
} roots;

/* False where memory runs out; `roots_free` in any case. */
int roots_make(roots *, int n);
void roots_free(roots *);

/* Natural order in, bit-reversed order out; unscaled; n = 4, 16, 32, ... points. */
void forward(const roots *, clanes *line, int n);

/* Bit-reversed order in, natural order out; unscaled: forward and inverse multiply by n. */
void inverse(const roots *, clanes *line, int n);

/* Their outermost levels alone; n > 4. */
void split(const roots *, clanes *line, int n);
void join(const roots *, clanes *line, int n);

INLINE int log2_of(int n) { return 31 - __builtin_clz((unsigned)n); }

/* Of the outermost level: 4 until a power of 8 is left before the last transforms of 4 points.
 * The points of outer levels lie multiples of 4 KiB apart: they share one set of the nearest cache,
 * which does not hold eight of them and the iterate's.
 */
INLINE int radix_of(int n) { return (log2_of(n) - 2) % 3 ? 4 : 8; }

/* ---- butterflies */

INLINE clanes plus(clanes a, clanes b) { return (clanes){a.re + b.re, a.im + b.im}; }
INLINE clanes minus(clanes a, clanes b) { return (clanes){a.re - b.re, a.im - b.im}; }
INLINE clanes times_i(clanes a) { return (clanes){-a.im, a.re}; }
INLINE clanes over_i(clanes a) { return (clanes){a.im, -a.re}; }
INLINE clanes times(clanes a, const float *w) {
    return (clanes){a.re * w[0] - a.im * w[1], a.re * w[1] + a.im * w[0]};
}
INLINE clanes times_conjugate(clanes a, const float *w) {
    return (clanes){a.re * w[0] + a.im * w[1], a.im * w[0] - a.re * w[1]};
}

/* times exp(i pi / 4), and its inverse */
INLINE clanes eighth_turn(clanes a) {
    const float half_root = 0.70710678118654752f;
    return (clanes){(a.re - a.im) * half_root, (a.re + a.im) * half_root};
}
INLINE clanes eighth_turn_back(clanes a) {
    const float half_root = 0.70710678118654752f;
    return (clanes){(a.re + a.im) * half_root, (a.im - a.re) * half_root};
}

/* Four numbers become frequencies 0, 2, 1, 3, and back. */
INLINE void four(clanes p[4]) {
    const clanes even = plus(p[0], p[2]), odd = plus(p[1], p[3]);
    const clanes even1 = minus(p[0], p[2]), odd1 = over_i(minus(p[1], p[3]));
    p[0] = plus(even, odd), p[1] = minus(even, odd);
    p[2] = plus(even1, odd1), p[3] = minus(even1, odd1);
}
INLINE void four_back(clanes p[4]) {
    const clanes even = plus(p[0], p[1]), even1 = minus(p[0], p[1]);
    const clanes odd = plus(p[2], p[3]), odd1 = times_i(minus(p[2], p[3]));
    p[0] = plus(even, odd), p[1] = plus(even1, odd1);
    p[2] = minus(even, odd), p[3] = minus(even1, odd1);
}

/* Eight numbers become frequencies 0, 4, 2, 6, 1, 5, 3, 7, and back. */
INLINE void eight(clanes p[8]) {
    for (int i = 0; i < 4; i++) {
        const clanes near = p[i], far = p[i + 4];
        p[i] = plus(near, far), p[i + 4] = minus(near, far);
    }
    p[5] = eighth_turn_back(p[5]);
    p[6] = over_i(p[6]);
    p[7] = over_i(eighth_turn_back(p[7]));
    four(p);
    four(p + 4);
}
INLINE void eight_back(clanes p[8]) {
    four_back(p);
    four_back(p + 4);
    p[5] = eighth_turn(p[5]);
    p[6] = times_i(p[6]);
    p[7] = times_i(eighth_turn(p[7]));
    for (int i = 0; i < 4; i++) {
        const clanes even = p[i], odd = p[i + 4];
        p[i] = plus(even, odd), p[i + 4] = minus(even, odd);
    }
}

/* Point i of a butterfly is frequency k: where its twiddle factor stands. */
INLINE int twiddle_of(int radix, int i) {
    const int four[] = {0, 2, 1, 3}, eight[] = {0, 4, 2, 6, 1, 5, 3, 7};
    return 2 * ((radix == 4 ? four[i] : eight[i]) - 1);
}

/* One butterfly: points that lie m apart from x on, with the twiddle factors w. */
INLINE void split_points(clanes *x, clanes p[], int m, const float *w, const int radix) {
    if (radix == 4) four(p);
    else eight(p);
    x[0] = p[0];
    for (int i = 1; i < radix; i++) x[i * m] = times(p[i], w + twiddle_of(radix, i));
}
INLINE void join_points(const clanes *x, clanes p[], int m, const float *w, const int radix) {
    p[0] = x[0];
    for (int i = 1; i < radix; i++) p[i] = times_conjugate(x[i * m], w + twiddle_of(radix, i));
    if (radix == 4) four_back(p);
    else eight_back(p);
}

#endif
