/* How well an image agrees with the data. */
#include "grid.h"

/* Sums over all frequencies of an image's transform F, in units of unitary transforms:
 * squared distances of |F| to [lower, upper]; |F|^2 and |F| lower of those where the two are one.
 */
EXPORT void compare(const grid *grid, room *room, int is_complex, float *first, double sums[3]) {
    const int n = grid->n, factor = grid->is_paired ? 2 : 1;
    const image image = {is_complex, first, NULL};
    const double unit = 1 / ((double)n * n * factor * factor);
    rows_forward(grid, room, &image, 0);
    sums[0] = sums[1] = sums[2] = 0;
    for (int block = 0; block < n / V; block++) {
        clanes *column = room->half + block * grid->stride;
        const lanes *lower = grid->lower + (size_t)block * n;
        const lanes *upper = grid->upper + (size_t)block * n;
        lanes distances = all(0), powers = all(0), overlaps = all(0);
        forward(&grid->roots, column, n);
        for (int j = 0; j < n; j++) {
            const clanes F = column[j];
            const lanes modulus = (float)factor * root(F.re * F.re + F.im * F.im);
            const lanes gap = modulus - smaller(larger(modulus, lower[j]), upper[j]);
            const lanes measured = choose(at_least(lower[j], upper[j]), modulus, all(0));
            distances += gap * gap;
            powers += measured * measured;
            overlaps += measured * lower[j];
        }
        sums[0] += unit * sum(distances);
        sums[1] += unit * sum(powers);
        sums[2] += unit * sum(overlaps);
    }
}
