/* Memory of grids and rooms, and the ways between images and blocks of lines. */
#include "grid.h"

#include <stdlib.h>
#include <sys/mman.h>

/* Blocks a power of two apart would all compete for the same places in the caches. */
enum { PADDING = 8, LINE = 64, LARGE_PAGE = 1 << 21 };

/* Large arrays on large pages where there are any: both passes jump from page to page. */
static void *taken(size_t bytes) {
    const size_t alignment = bytes < LARGE_PAGE ? LINE : LARGE_PAGE;
    const size_t whole = (bytes + alignment - 1) / alignment * alignment;
    void *memory = aligned_alloc(alignment, whole);
#ifdef MADV_HUGEPAGE
    if (memory && alignment == LARGE_PAGE) madvise(memory, whole, MADV_HUGEPAGE);
#endif
    return memory;
}

EXPORT int lane_count(void) { return V; }

/* ---- grids */

static int bit_reversed(int i, int n) {
    int turned = 0;
    for (; n > 1; n /= 2, i /= 2) turned = 2 * turned + i % 2;
    return turned;
}

/* Bounds (n, n) in natural order, as the column pass meets them. */
static lanes *in_blocks(const float *bounds, int n, float factor) {
    float *blocks = taken(sizeof(float) * (size_t)n * n), *next = blocks;
    if (!blocks) return NULL;
    for (int left = 0; left < n; left += V)
        for (int row = 0; row < n; row++)
            for (int lane = 0; lane < V; lane++) {
                const size_t down = bit_reversed(row, n), right = bit_reversed(left + lane, n);
                *next++ = factor * bounds[down * n + right];
            }
    return (lanes *)blocks;
}

EXPORT void grid_free(grid *grid) {
    if (!grid) return;
    roots_free(&grid->roots);
    free(grid->lower);
    free(grid->upper);
    free(grid);
}

/* NULL where memory runs out; n = 64, 128, ...; bounds (n, n) of unitary transforms. */
EXPORT grid *grid_new(int n, const float *lower, const float *upper, int is_paired) {
    const float factor = (float)n * (is_paired ? 2 : 1);
    grid *grid = calloc(1, sizeof *grid);
    if (!grid) return NULL;
    grid->n = n;
    grid->stride = (size_t)n + PADDING;
    grid->is_paired = is_paired;
    grid->lower = in_blocks(lower, n, factor);
    grid->upper = in_blocks(upper, n, factor);
    if (roots_make(&grid->roots, n) && grid->lower && grid->upper) return grid;
    grid_free(grid);
    return NULL;
}

/* ---- rooms */

EXPORT void room_free(room *room) {
    if (!room) return;
    free(room->rows);
    free(room->half);
    free(room->line);
    free(room->transfer);
    free(room->inside[0]);
    free(room->inside[1]);
    free(room);
}

EXPORT room *room_new(const grid *grid) {
    const size_t n = (size_t)grid->n, image = sizeof(clanes) * n / V * grid->stride;
    room *room = calloc(1, sizeof *room);
    if (!room) return NULL;
    room->rows = taken(image);
    room->half = taken(image);
    room->line = taken(sizeof(clanes) * n);
    room->transfer = taken(sizeof(float) * n);
    for (int part = 0; part < 2; part++) room->inside[part] = taken(sizeof(bits) * n * n / V);
    if (room->rows && room->half && room->line && room->transfer && room->inside[0] &&
        room->inside[1])
        return room;
    room_free(room);
    return NULL;
}

/* ---- between images and lines */

INLINE void put(clanes *line, lanes re[V], lanes im[V]) {
    transpose(re);
    transpose(im);
    for (int i = 0; i < V; i++) line[i] = (clanes){re[i], im[i]};
}

INLINE void take(const clanes *line, lanes re[V], lanes im[V]) {
    for (int i = 0; i < V; i++) re[i] = line[i].re, im[i] = line[i].im;
    transpose(re);
    transpose(im);
}

void load_rows(const image *image, int n, int block, clanes *line) {
    for (int left = 0; left < n; left += V) {
        lanes re[V], im[V];
        for (int i = 0; i < V; i++) {
            const size_t at = (size_t)(block * V + i) * n + left;
            clanes z;
            if (image->is_complex)
                z = deinterleaved(loaded(image->first + 2 * at), loaded(image->first + 2 * at + V));
            else
                z = (clanes){
                    loaded(image->first + at),
                    image->second ? loaded(image->second + at) : all(0),
                };
            re[i] = z.re, im[i] = z.im;
        }
        put(line + left, re, im);
    }
}

void store_rows(const image *image, int n, int block, const clanes *line) {
    for (int left = 0; left < n; left += V) {
        lanes re[V], im[V];
        take(line + left, re, im);
        for (int i = 0; i < V; i++) {
            const size_t at = (size_t)(block * V + i) * n + left;
            const clanes z = {re[i], im[i]};
            if (image->is_complex) {
                store(image->first + 2 * at, interleaved_left(z));
                store(image->first + 2 * at + V, interleaved_right(z));
            } else {
                store(image->first + at, re[i]);
                if (image->second) store(image->second + at, im[i]);
            }
        }
    }
}

void gather(const grid *grid, const clanes *columns, int block, clanes *line) {
    for (int left = 0; left < grid->n; left += V, columns += grid->stride) {
        lanes re[V], im[V];
        take(columns + block * V, re, im);
        for (int i = 0; i < V; i++) line[left + i] = (clanes){re[i], im[i]};
    }
}

void scatter(const grid *grid, clanes *columns, int block, const clanes *line) {
    for (int left = 0; left < grid->n; left += V, columns += grid->stride) {
        lanes re[V], im[V];
        take(line + left, re, im);
        for (int i = 0; i < V; i++) columns[block * V + i] = (clanes){re[i], im[i]};
    }
}

void rows_forward(const grid *grid, room *room, const image *image, int is_kept) {
    for (int block = 0; block < grid->n / V; block++) {
        load_rows(image, grid->n, block, room->line);
        if (is_kept)
            memcpy(room->rows + block * grid->stride, room->line, sizeof(clanes) * grid->n);
        forward(&grid->roots, room->line, grid->n);
        scatter(grid, room->half, block, room->line);
    }
}
