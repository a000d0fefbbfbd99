/* Iterative projections in two passes over memory.
 *
 * A 2-D transform is a set of row transforms followed by a set of column transforms, and what is
 * done pixel by pixel fits between a transform and its inverse. One iteration therefore is
 *
 *     column pass   V columns at a time: transform, project onto the data, transform back
 *     row pass      V rows at a time:    transform back, update in real space, transform
 *
 * each while its lines are in the cache: the image crosses memory twice. Between the passes it lies
 * in `half`, its rows transformed, its columns not. Frequencies stay in the bit-reversed order in
 * which the forward transform leaves them and the inverse takes them: Fourier space is only touched
 * pixel by pixel, so the bounds were put into that order once, and nothing is ever reordered.
 *
 * Transforms are not scaled: bounds are n times those of unitary ones, and the projection
 * multiplies by 1 / n^2.
 *
 * Two real images are one complex one, z = x1 + i x2. With Z(k) its transform,
 *     2 F1(k) = Z(k) + conj Z(-k),   2 i F2(k) = Z(k) - conj Z(-k)
 * are projected one by one and put together again; bounds are doubled for that, and have to be
 * Friedel-symmetric.
 */
#include "grid.h"

/* With q the iterate projected onto the data: q inside the support, a x + b q elsewhere. */
typedef struct {
    float a, b;
    int is_reflected; /* the sign is tested of 2 q - x instead of q */
    int is_positive;  /* pixels below 0 do not count as inside */
} rule;

/* |F|^2 below which there is no phase: far below what rounding leaves of any light. */
static const float DARK = 1e-36f;

/* F with the modulus clipped to [lower, upper], times the scale; phase 0 where it has none. */
INLINE clanes projected(clanes F, lanes lower, lanes upper, float scale) {
    const lanes power = F.re * F.re + F.im * F.im, over = inverse_root(power);
    const lanes factor = smaller(larger(power * over, lower), upper) * over * scale;
    const mask has_phase = at_least(power, all(DARK));
    return (clanes){
        choose(has_phase, F.re * factor, lower * scale),
        choose(has_phase, F.im * factor, all(0)),
    };
}

/* ---- column pass of complex images */

INLINE void project_leaf(clanes *x, const lanes *lower, const lanes *upper, float scale) {
    clanes p[LEAF] = {x[0], x[1], x[2], x[3]};
    four(p);
    for (int i = 0; i < LEAF; i++) p[i] = projected(p[i], lower[i], upper[i], scale);
    four_back(p);
    for (int i = 0; i < LEAF; i++) x[i] = p[i];
}

/* Forward, projection and inverse of n points; of each part while it is in the cache. */
static void project_line(const roots *roots, clanes *x, const lanes *lower, const lanes *upper,
                         int n, float scale) {
    const int m = n / radix_of(n);
    split(roots, x, n);
    for (int part = 0; part < n; part += m) {
        if (m == LEAF) project_leaf(x + part, lower + part, upper + part, scale);
        else project_line(roots, x + part, lower + part, upper + part, m, scale);
    }
    join(roots, x, n);
}

static void project_columns(const grid *grid, room *room) {
    const float scale = 1.0f / ((float)grid->n * grid->n);
    for (int block = 0; block < grid->n / V; block++) {
        const size_t at = (size_t)block * grid->n;
        project_line(&grid->roots, room->half + block * grid->stride, grid->lower + at,
                     grid->upper + at, grid->n, scale);
    }
}

/* ---- column pass of pairs */

/* z = Z(k) and y = Z(-k), lane by lane, of two real images with the same bounds. */
INLINE void project_pair(clanes *z, clanes *y, lanes lower, lanes upper, float scale) {
    clanes one = {z->re + y->re, z->im - y->im}, two = {z->im + y->im, y->re - z->re};
    one = projected(one, lower, upper, scale);
    two = projected(two, lower, upper, scale);
    *z = (clanes){one.re - two.im, one.im + two.re};
    *y = (clanes){one.re + two.im, two.re - one.im};
}

INLINE void project_leaves(clanes *near, clanes *far, const lanes *lower, const lanes *upper,
                           int is_reversed, float scale) {
    clanes z[LEAF] = {near[0], near[1], near[2], near[3]};
    clanes y[LEAF] = {far[0], far[1], far[2], far[3]};
    four(z);
    four(y);
    for (int i = 0; i < LEAF; i++) {
        clanes *other = y + (is_reversed ? LEAF - 1 - i : partner(i));
        *other = reversed(*other);
        project_pair(z + i, other, lower[i], upper[i], scale);
        *other = reversed(*other);
    }
    four_back(z);
    four_back(y);
    for (int i = 0; i < LEAF; i++) near[i] = z[i], far[i] = y[i];
}

/* As `project_line`, of two columns k and -k at once. The partner of slot i has all bits below
 * the highest of i turned: beyond a part's first slots, those of its partner come in reverse.
 */
static void project_lines(const roots *roots, clanes *near, clanes *far, const lanes *lower,
                          const lanes *upper, int n, int is_reversed, float scale) {
    const int radix = radix_of(n), m = n / radix;
    split(roots, near, n);
    split(roots, far, n);
    for (int i = 0; i < radix; i++) {
        const int at = i * m, other = m * (is_reversed ? radix - 1 - i : partner(i));
        const int turned = is_reversed || i > 0;
        if (m > LEAF)
            project_lines(roots, near + at, far + other, lower + at, upper + at, m, turned, scale);
        else if (turned) project_leaves(near + at, far + other, lower + at, upper + at, 1, scale);
        else project_leaves(near + at, far + other, lower + at, upper + at, 0, scale);
    }
    join(roots, near, n);
    join(roots, far, n);
}

/* Block 0 or 1, its own partner. */
static void project_block(const grid *grid, clanes *own, int block, float scale) {
    const lanes *lower = grid->lower + (size_t)block * grid->n;
    const lanes *upper = grid->upper + (size_t)block * grid->n;
    forward(&grid->roots, own, grid->n);
    for (int j = 0; j < grid->n; j++) {
        const int other = partner(j);
        if (other < j) continue;
        clanes z = own[j], y = block ? reversed(own[other]) : first_partners(own[other]);
        project_pair(&z, &y, lower[j], upper[j], scale);
        own[other] = block ? reversed(y) : first_partners(y);
        own[j] = z;
    }
    inverse(&grid->roots, own, grid->n);
}

static void project_paired_columns(const grid *grid, room *room) {
    const float scale = 0.5f / ((float)grid->n * grid->n);
    for (int block = 0; block < grid->n / V; block++) {
        const int other = partner(block);
        const size_t at = (size_t)block * grid->n;
        clanes *near = room->half + block * grid->stride, *far = room->half + other * grid->stride;
        if (other == block)
            project_block(grid, near, block, scale);
        else if (other > block)
            project_lines(&grid->roots, near, far, grid->lower + at, grid->upper + at, grid->n, 0,
                          scale);
    }
}

/* ---- row pass */

/* V rows of the iterate, and their supports. */
typedef struct {
    clanes *x;
    const bits *real, *imaginary;
} rows;

INLINE lanes updated(lanes x, lanes q, mask inside, rule rule) {
    if (rule.is_positive)
        inside &= at_least(rule.is_reflected ? 2.0f * q - x : q, all(0));
    return choose(inside, q, rule.a * x + rule.b * q);
}

/* Point j of the iterate, by its projection. */
INLINE clanes update(const rows *rows, int j, clanes q, rule rule) {
    const clanes x = rows->x[j];
    return rows->x[j] = (clanes){
        updated(x.re, q.re, mask_of(rows->real[j]), rule),
        updated(x.im, q.im, mask_of(rows->imaginary[j]), rule),
    };
}

/* The last level of the inverse, the update, and the first level of the forward transform. */
INLINE void turn(const rows *rows, clanes *line, int n, const float *w, const int radix,
                 rule rule) {
    const int m = n / radix;
    for (int j = 0; j < m; j++, w += 2 * (radix - 1)) {
        clanes p[MOST_RADIX];
        join_points(line + j, p, m, w, radix);
        for (int i = 0; i < radix; i++) p[i] = update(rows, j + i * m, p[i], rule);
        split_points(line + j, p, m, w, radix);
    }
}

/* The same for the radix of n, and without the questions that have one answer for all pixels. */
static void turn_rows(const roots *roots, const rows *rows, clanes *line, int n, rule r) {
    const float *w = roots->twiddles[log2_of(n)];
    const rule plain = {r.a, r.b, 0, 0}, positive = {r.a, r.b, 0, 1}, reflected = {r.a, r.b, 1, 1};
    if (radix_of(n) == 8) {
        if (!r.is_positive) turn(rows, line, n, w, 8, plain);
        else if (r.is_reflected) turn(rows, line, n, w, 8, reflected);
        else turn(rows, line, n, w, 8, positive);
    } else {
        if (!r.is_positive) turn(rows, line, n, w, 4, plain);
        else if (r.is_reflected) turn(rows, line, n, w, 4, reflected);
        else turn(rows, line, n, w, 4, positive);
    }
}

INLINE rows rows_of(const grid *grid, const room *room, int block) {
    const size_t at = (size_t)block * grid->n;
    return (rows){room->rows + block * grid->stride, room->inside[0] + at, room->inside[1] + at};
}

static void row_pass(const grid *grid, room *room, const rule *rule) {
    const int n = grid->n, m = n / radix_of(n);
    for (int block = 0; block < n / V; block++) {
        const rows rows = rows_of(grid, room, block);
        gather(grid, room->half, block, room->line);
        for (int part = 0; part < n; part += m) inverse(&grid->roots, room->line + part, m);
        turn_rows(&grid->roots, &rows, room->line, n, *rule);
        for (int part = 0; part < n; part += m) forward(&grid->roots, room->line + part, m);
        scatter(grid, room->half, block, room->line);
    }
}

/* The last pass of a run ends in real space, in the image. */
static void last_row_pass(const grid *grid, room *room, const rule *rule, const image *image) {
    for (int block = 0; block < grid->n / V; block++) {
        const rows rows = rows_of(grid, room, block);
        gather(grid, room->half, block, room->line);
        inverse(&grid->roots, room->line, grid->n);
        for (int j = 0; j < grid->n; j++) update(&rows, j, room->line[j], *rule);
        store_rows(image, grid->n, block, rows.x);
    }
}

/* ---- runs */

/* A support (n, n) of bytes as bits, those of V rows together. */
static void pack_support(bits *packed, const uint8_t *support, int n) {
    for (int block = 0; block < n / V; block++, packed += n) {
        memset(packed, 0, sizeof(bits) * n);
        for (int lane = 0; lane < V; lane++, support += n)
            for (int j = 0; j < n; j++) packed[j] |= (bits)((support[j] != 0) << lane);
    }
}

/* `count` iterations, in place, of a complex image, or of one or two real ones. */
EXPORT void iterate(const grid *grid, room *room, float *first, float *second,
                    const uint8_t *support, const uint8_t *second_support, int count, float a,
                    float b, int is_reflected, int is_positive) {
    const image image = {!grid->is_paired, first, second};
    const rule rule = {a, b, is_reflected, is_positive};
    if (count < 1) return;
    pack_support(room->inside[0], support, grid->n);
    pack_support(room->inside[1], second_support ? second_support : support, grid->n);
    rows_forward(grid, room, &image, 1);
    for (; count; count--) {
        (grid->is_paired ? project_paired_columns : project_columns)(grid, room);
        if (count > 1) row_pass(grid, room, &rule);
        else last_row_pass(grid, room, &rule, &image);
    }
}
