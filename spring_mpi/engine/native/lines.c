/* Transforms of whole lines, depth first, and their twiddle factors. */
#include "lines.h"

#include <stdlib.h>

INLINE void split_by(const int radix, clanes *x, int m, const float *w) {
    for (int j = 0; j < m; j++, w += 2 * (radix - 1)) {
        clanes p[MOST_RADIX];
        for (int i = 0; i < radix; i++) p[i] = x[j + i * m];
        split_points(x + j, p, m, w, radix);
    }
}

INLINE void join_by(const int radix, clanes *x, int m, const float *w) {
    for (int j = 0; j < m; j++, w += 2 * (radix - 1)) {
        clanes p[MOST_RADIX];
        join_points(x + j, p, m, w, radix);
        for (int i = 0; i < radix; i++) x[j + i * m] = p[i];
    }
}

void split(const roots *roots, clanes *x, int n) {
    const float *w = roots->twiddles[log2_of(n)];
    if (radix_of(n) == 4) split_by(4, x, n / 4, w);
    else split_by(8, x, n / 8, w);
}

void join(const roots *roots, clanes *x, int n) {
    const float *w = roots->twiddles[log2_of(n)];
    if (radix_of(n) == 4) join_by(4, x, n / 4, w);
    else join_by(8, x, n / 8, w);
}

void forward(const roots *roots, clanes *x, int n) {
    if (n == LEAF) {
        four(x);
        return;
    }
    const int m = n / radix_of(n);
    split(roots, x, n);
    if (m == LEAF) for (clanes *leaf = x; leaf < x + n; leaf += LEAF) four(leaf);
    else for (clanes *part = x; part < x + n; part += m) forward(roots, part, m);
}

void inverse(const roots *roots, clanes *x, int n) {
    if (n == LEAF) {
        four_back(x);
        return;
    }
    const int m = n / radix_of(n);
    if (m == LEAF) for (clanes *leaf = x; leaf < x + n; leaf += LEAF) four_back(leaf);
    else for (clanes *part = x; part < x + n; part += m) inverse(roots, part, m);
    join(roots, x, n);
}

static float *twiddles_of(int n) {
    const int radix = radix_of(n), m = n / radix;
    float *table = malloc(sizeof(float[2]) * (size_t)(radix - 1) * (size_t)m), *next = table;
    for (int j = 0; table && j < m; j++)
        for (int k = 1; k < radix; k++) {
            const double angle = -2 * 3.14159265358979323846 * j * k / n;
            *next++ = (float)cos(angle);
            *next++ = (float)sin(angle);
        }
    return table;
}

int roots_make(roots *roots, int n) {
    memset(roots, 0, sizeof *roots);
    for (; n > LEAF; n /= radix_of(n))
        if (!(roots->twiddles[log2_of(n)] = twiddles_of(n))) return 0;
    return 1;
}

void roots_free(roots *roots) {
    for (int level = 0; level < LEVELS; level++) free(roots->twiddles[level]);
}
