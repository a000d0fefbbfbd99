/* Shrink-wrap of two individuals at once: |x1| + i |x2| is blurred by the same two passes.
 *
 * A Gaussian's transfer function is real and even, so that the two images stay apart without
 * being unpacked, and it is a product of one function of the row and one of the column.
 */
#include "grid.h"

enum { DIGITS = 3, MOST_BINS = 1 << 11 };

/* What is kept of a blurred image. */
typedef struct {
    float threshold; /* share of the maximum to exceed; negative: keep `area` pixels */
    int64_t area, least, most;
} cut;

/* ---- blur */

INLINE lanes modulus(clanes z) { return root(z.re * z.re + z.im * z.im); }

INLINE lanes magnitude(lanes a) { return larger(a, -a); }

/* |first| and |second| of V rows, as real and imaginary parts. */
static void load_moduli(const image *pair, int n, int block, clanes *line, clanes *other) {
    if (!pair->is_complex) {
        load_rows(pair, n, block, line);
        for (int j = 0; j < n; j++)
            line[j] = (clanes){magnitude(line[j].re), magnitude(line[j].im)};
        return;
    }
    const image first = {1, pair->first, NULL}, second = {1, pair->second, NULL};
    load_rows(&first, n, block, line);
    if (second.first) load_rows(&second, n, block, other);
    for (int j = 0; j < n; j++)
        line[j] = (clanes){modulus(line[j]), second.first ? modulus(other[j]) : all(0)};
}

/* Gaussian transfer function of every slot, of a standard deviation in pixels. */
static void transfer_make(float *transfer, int n, double sigma) {
    for (int slot = 0; slot < n; slot++) {
        int k = 0;
        for (int i = slot, half = n / 2; half; half /= 2, i /= 2) k = 2 * k + i % 2;
        const double turns = 3.14159265358979323846 * sigma * (k > n / 2 ? k - n : k) / n;
        transfer[slot] = (float)(exp(-2 * turns * turns) / n);
    }
}

static void blur_columns(const grid *grid, room *room, const float *transfer) {
    const int n = grid->n;
    for (int block = 0; block < n / V; block++) {
        clanes *column = room->half + block * grid->stride;
        const lanes across = loaded(transfer + block * V);
        forward(&grid->roots, column, n);
        for (int j = 0; j < n; j++) {
            const lanes factor = across * transfer[j];
            column[j] = (clanes){column[j].re * factor, column[j].im * factor};
        }
        inverse(&grid->roots, column, n);
    }
}

/* The blurred moduli of two images, (n, n) each, one after the other in `rows`. */
static const float *blur(const grid *grid, room *room, const image *pair, double sigma) {
    const int n = grid->n;
    for (int block = 0; block < n / V; block++) {
        load_moduli(pair, n, block, room->line, room->half); /* `half` is still free: its start */
        forward(&grid->roots, room->line, n);
        scatter(grid, room->rows, block, room->line);
    }
    blocks swapped = room->half;
    room->half = room->rows, room->rows = swapped;
    transfer_make(room->transfer, n, sigma);
    blur_columns(grid, room, room->transfer);
    float *first = (float *)room->rows;
    const image blurred = {0, first, first + (size_t)n * n};
    for (int block = 0; block < n / V; block++) {
        gather(grid, room->half, block, room->line);
        inverse(&grid->roots, room->line, n);
        store_rows(&blurred, n, block, room->line);
    }
    return first;
}

/* ---- cut */

/* Numbers in the order of the floats. */
INLINE uint32_t key_of(float value) {
    uint32_t key;
    memcpy(&key, &value, sizeof key);
    return key & 0x80000000u ? ~key : key | 0x80000000u;
}

/* Key of the weakest of the `count` strongest pixels, digit by digit from the highest on.
 * `count` becomes how many of those that equal it belong to them.
 */
static uint32_t weakest(const float *image, size_t pixels, int64_t *count) {
    static const int widths[DIGITS] = {11, 11, 10};
    uint32_t found = 0;
    for (int digit = 0, shift = 32; digit < DIGITS; digit++) {
        const uint64_t above = (uint64_t)found >> shift;
        const uint32_t bins = 1u << widths[digit];
        const int last = shift;
        int64_t counts[MOST_BINS] = {0};
        shift -= widths[digit];
        for (size_t i = 0; i < pixels; i++) {
            const uint32_t key = key_of(image[i]);
            if ((uint64_t)key >> last == above) counts[(key >> shift) & (bins - 1)]++;
        }
        uint32_t bin = bins - 1;
        while (bin && *count > counts[bin]) *count -= counts[bin--];
        found |= bin << shift;
    }
    return found;
}

static void keep_strongest(const float *image, size_t pixels, int64_t count, uint8_t *support) {
    const uint32_t limit = weakest(image, pixels, &count);
    for (size_t i = 0; i < pixels; i++) {
        const uint32_t key = key_of(image[i]);
        support[i] = key > limit || (key == limit && count-- > 0);
    }
}

static float highest(const float *image, size_t pixels) {
    lanes found = loaded(image);
    for (size_t i = V; i < pixels; i += V) found = larger(loaded(image + i), found);
    float value = found[0];
    for (int lane = 1; lane < V; lane++) value = found[lane] > value ? found[lane] : value;
    return value;
}

static int64_t keep_above(const float *image, size_t pixels, float limit, uint8_t *support) {
    int64_t area = 0;
    for (size_t row = 0; row < pixels; row += 64) {
        uint8_t count = 0; /* bytes are counted fast; 64 of them fit one */
        for (size_t i = row; i < row + 64; i++) count += support[i] = image[i] > limit;
        area += count;
    }
    return area;
}

static void keep(const float *image, size_t pixels, const cut *cut, uint8_t *support) {
    int64_t area = cut->area;
    if (cut->threshold >= 0) {
        area = keep_above(image, pixels, cut->threshold * highest(image, pixels), support);
        if (cut->least <= area && area <= cut->most) return;
    }
    area = area < cut->least ? cut->least : area;
    keep_strongest(image, pixels, area > cut->most ? cut->most : area, support);
}

static void clear_outside(float *density, const uint8_t *support, size_t pixels, int is_complex) {
    for (size_t i = 0; i < pixels; i++) {
        if (!is_complex) density[i] = support[i] ? density[i] : 0;
        else if (!support[i]) density[2 * i] = density[2 * i + 1] = 0;
    }
}

/* The second density and support may be NULL. */
EXPORT void shrinkwrap(const grid *grid, room *room, int is_complex, float *first, float *second,
                       uint8_t *support, uint8_t *second_support, double sigma, float threshold,
                       int64_t area, int64_t least, int64_t most) {
    const size_t pixels = (size_t)grid->n * grid->n;
    const image pair = {is_complex, first, second};
    const cut cut = {threshold, area, least, most};
    const float *blurred = blur(grid, room, &pair, sigma);
    keep(blurred, pixels, &cut, support);
    clear_outside(first, support, pixels, is_complex);
    if (second) {
        keep(blurred + pixels, pixels, &cut, second_support);
        clear_outside(second, second_support, pixels, is_complex);
    }
}
