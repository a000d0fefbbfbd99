/* One pattern's grid, a thread's room to work on it, and images as other people lay them out. */
#ifndef SPRING_GRID_H
#define SPRING_GRID_H

#include <stddef.h>

#include "lines.h"

#define EXPORT __attribute__((visibility("default")))

/* What the data say; read by all threads. */
typedef struct {
    int n;
    size_t stride; /* clanes from one block to the next */
    int is_paired; /* for two real images at once: bounds are doubled (see passes.c) */
    roots roots;
    lanes *lower, *upper; /* [column block][row], bit-reversed; unscaled transforms */
} grid;

/* Blocks of V neighbouring lines side by side; n / V blocks of n clanes, `stride` apart. */
typedef clanes *blocks;

typedef struct {
    blocks rows;  /* [row block][column]: the iterate */
    blocks half;  /* [column block][row]: rows transformed, columns not */
    clanes *line; /* one row block */
    bits *inside[2]; /* [row block][column]: supports of real and imaginary parts */
    float *transfer; /* n values of a blur */
} room;

/* Row by row: a complex image, or one or two real ones that make one (real, imaginary part). */
typedef struct {
    int is_complex;
    float *first, *second; /* second may be NULL: zeros */
} image;

INLINE int partner(int i) {
    /* Of a frequency k in bit-reversed order the slot of -k: all bits below the highest turn. */
    return i ? i ^ ((1 << (31 - __builtin_clz((unsigned)i))) - 1) : 0;
}

void load_rows(const image *, int n, int block, clanes *line);
void store_rows(const image *, int n, int block, const clanes *line);

/* Transpose tiles of V x V between a line of rows and the columns of all blocks. */
void gather(const grid *, const clanes *columns, int block, clanes *line);
void scatter(const grid *, clanes *columns, int block, const clanes *line);

/* Row transforms of an image into `half`; the iterate too where it is kept. */
void rows_forward(const grid *, room *, const image *, int is_kept);

#endif
