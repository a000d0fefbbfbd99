/* Cross-correlations of an image with a target, by which it is moved onto it. */
#include "grid.h"

typedef struct {
    lanes power, re, im;
    lanes_int place;
} peaks;

static void transform(const grid *grid, room *room, int is_complex, float *first) {
    const image image = {is_complex, first, NULL};
    rows_forward(grid, room, &image, 0);
    for (int block = 0; block < grid->n / V; block++)
        forward(&grid->roots, room->half + block * grid->stride, grid->n);
}

/* The transform of an image as `correlate` takes it: 2 n^2 floats. */
EXPORT void spectrum(const grid *grid, room *room, int is_complex, float *first, float *target) {
    const size_t block = sizeof(clanes) * (size_t)grid->n;
    transform(grid, room, is_complex, first);
    for (int i = 0; i < grid->n / V; i++)
        memcpy((char *)target + i * block, room->half + i * grid->stride, block);
}

/* conj(F) T, or F T for the twin, transformed back along the columns, in `rows`. */
static void multiply_columns(const grid *grid, room *room, const float *target, int is_twin) {
    const int n = grid->n;
    const float sign = is_twin ? 1.0f : -1.0f;
    for (int block = 0; block < n / V; block++) {
        const clanes *own = room->half + block * grid->stride;
        clanes *product = room->rows + block * grid->stride;
        for (int j = 0; j < n; j++, target += 2 * V) {
            const clanes T = {loaded(target), loaded(target + V)};
            const clanes F = {own[j].re, sign * own[j].im};
            product[j] = (clanes){F.re * T.re - F.im * T.im, F.re * T.im + F.im * T.re};
        }
        inverse(&grid->roots, product, n);
    }
}

/* The strongest pixel of V rows and of what was seen before, lane by lane. */
INLINE void look(peaks *best, const clanes *line, int n, int block) {
    lanes_int place;
    for (int lane = 0; lane < V; lane++) place[lane] = (block * V + lane) * n;
    for (int j = 0; j < n; j++, place += 1) {
        const lanes power = line[j].re * line[j].re + line[j].im * line[j].im;
        const mask is_weaker = at_least(best->power, power);
        best->power = choose(is_weaker, best->power, power);
        best->re = choose(is_weaker, best->re, line[j].re);
        best->im = choose(is_weaker, best->im, line[j].im);
        best->place = (lanes_int)choose(is_weaker, (lanes)best->place, (lanes)place);
    }
}

INLINE int strongest(const peaks *best) {
    int found = 0;
    for (int lane = 1; lane < V; lane++) {
        const float gain = best->power[lane] - best->power[found];
        if (gain > 0 || (gain == 0 && best->place[lane] < best->place[found])) found = lane;
    }
    return found;
}

static void peak(const grid *grid, room *room, double value[2], int64_t *place) {
    peaks best = {all(-1), all(0), all(0), {0}};
    for (int block = 0; block < grid->n / V; block++) {
        gather(grid, room->rows, block, room->line);
        inverse(&grid->roots, room->line, grid->n);
        look(&best, room->line, grid->n, block);
    }
    const int lane = strongest(&best);
    *place = best.place[lane];
    value[0] = best.re[lane], value[1] = best.im[lane];
}

/* Where the moduli of both correlations are greatest, as row n + column, and their values there:
 * first of the image itself, then of its twin; unscaled.
 */
EXPORT void correlate(const grid *grid, room *room, int is_complex, float *first,
                      const float *target, double values[4], int64_t places[2]) {
    transform(grid, room, is_complex, first);
    for (int is_twin = 0; is_twin < 2; is_twin++) {
        multiply_columns(grid, room, target, is_twin);
        peak(grid, room, values + 2 * is_twin, places + is_twin);
    }
}
