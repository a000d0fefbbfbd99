// An iteration in two sweeps over memory instead of six: the transforms are done in shared memory,
// and the pointwise work sits between a transform and its inverse while the data are there.
//
//   column pass   H: forward columns, every modulus into its interval, inverse columns
//   row pass      H: inverse rows, the real-space update of the density, forward rows
//
// H is the half-transformed image: rows transformed, columns not. Nothing is ever put in order: the
// forward transform leaves frequencies bit-reversed and the inverse takes them so, and in Fourier
// space all work is pointwise, on bounds that were permuted alike once (see two_pass.py).
//
// Constants: N, a power of two; LANES columns make a tile of H, (images, N / LANES, N, LANES);
// PAIRED: two real densities share one complex image, z = x1 + i x2, which halves the work.
// ROWS rows make a block of the row pass. THREADS threads are a block.

typedef unsigned char byte;

#define DARK 1e-30f  // darker moduli have no phase
#define HAS_STAGE_OF_TWO (N & 0xAAAAAAAA)  // 2, 8, 32, ...: not a power of 4

__device__ inline float2 operator+(float2 u, float2 v) { return make_float2(u.x + v.x, u.y + v.y); }
__device__ inline float2 operator-(float2 u, float2 v) { return make_float2(u.x - v.x, u.y - v.y); }
__device__ inline float2 operator*(float u, float2 v) { return make_float2(u * v.x, u * v.y); }
__device__ inline float2 operator*(float2 u, float2 v)
{
    return make_float2(u.x * v.x - u.y * v.y, u.x * v.y + u.y * v.x);
}
__device__ inline float2 conjugate(float2 u) { return make_float2(u.x, -u.y); }
__device__ inline float2 times_i(float2 u) { return make_float2(-u.y, u.x); }
__device__ inline float2 over_i(float2 u) { return make_float2(u.y, -u.x); }

// ---- transforms in shared memory

// Lines lie `together` side by side, such groups of lines `apart` from each other: rows are alone
// and N apart, columns are LANES together and a tile apart. `roots` are exp(-2 pi i k / N), k < N.
struct Lines {
    float2 *data;
    int number, together, apart;
};

__device__ inline Lines rows_of(float2 *data) { return {data, ROWS, 1, N}; }
__device__ inline Lines columns_of(float2 *tiles, int number)
{
    return {tiles, number * LANES, LANES, N * LANES};
}

// Element `place` of the line that the work item `one` of `items` per line belongs to.
__device__ inline float2 *element(Lines lines, int one, int items, int place)
{
    int group = one / lines.together / items;
    return lines.data + group * lines.apart + one % lines.together + place * lines.together;
}

__device__ inline void stage_of_two(Lines lines)
{
    for (int one = threadIdx.x; one < lines.number * (N / 2); one += THREADS) {
        int item = one / lines.together % (N / 2);
        float2 *x = element(lines, one, N / 2, 2 * item);
        float2 first = x[0], second = x[lines.together];
        x[0] = first + second;
        x[lines.together] = first - second;
    }
    __syncthreads();
}

// Butterflies over four elements a `quarter` apart. The middle outputs change places, so that the
// order that all stages make is plain bit reversal.
__device__ inline void forward_stage(Lines lines, int quarter, const float2 *roots)
{
    for (int one = threadIdx.x; one < lines.number * (N / 4); one += THREADS) {
        int item = one / lines.together % (N / 4), k = item % quarter;
        float2 *x = element(lines, one, N / 4, 4 * (item - k) + k);
        int next = quarter * lines.together, root = k * (N / 4 / quarter);
        float2 even = x[0] + x[2 * next], odd = x[next] + x[3 * next];
        float2 left = x[0] - x[2 * next], right = times_i(x[3 * next] - x[next]);
        x[0] = even + odd;
        x[next] = (even - odd) * roots[2 * root];
        x[2 * next] = (left + right) * roots[root];
        x[3 * next] = (left - right) * roots[3 * root];
    }
    __syncthreads();
}

__device__ inline void inverse_stage(Lines lines, int quarter, const float2 *roots)
{
    for (int one = threadIdx.x; one < lines.number * (N / 4); one += THREADS) {
        int item = one / lines.together % (N / 4), k = item % quarter;
        float2 *x = element(lines, one, N / 4, 4 * (item - k) + k);
        int next = quarter * lines.together, root = k * (N / 4 / quarter);
        float2 z0 = x[0], z2 = x[next] * conjugate(roots[2 * root]);
        float2 z1 = x[2 * next] * conjugate(roots[root]);
        float2 z3 = x[3 * next] * conjugate(roots[3 * root]);
        float2 even = z0 + z2, odd = z1 + z3, left = z0 - z2, right = times_i(z1 - z3);
        x[0] = even + odd;
        x[next] = left + right;
        x[2 * next] = even - odd;
        x[3 * next] = left - right;
    }
    __syncthreads();
}

// Decimation in frequency: natural order in, bit-reversed order out.
__device__ inline void forward(Lines lines, const float2 *roots)
{
    int quarter = N / 4;
    for (; quarter > 0; quarter /= 4) forward_stage(lines, quarter, roots);
    if (HAS_STAGE_OF_TWO) stage_of_two(lines);
}

// Decimation in time, its mirror image; both together multiply by N.
__device__ inline void inverse(Lines lines, const float2 *roots)
{
    if (HAS_STAGE_OF_TWO) stage_of_two(lines);
    for (int quarter = HAS_STAGE_OF_TWO ? 2 : 1; quarter < N; quarter *= 4)
        inverse_stage(lines, quarter, roots);
}

// ---- column pass

// The frequency -k in bit-reversed order: 0 is its own partner, else the bits below the highest
// one that is set are complemented.
__device__ inline int partner(int place)
{
    int highest = 1;
    while (2 * highest <= place) highest *= 2;
    return place == 0 ? 0 : 3 * highest - 1 - place;
}

// What brings a modulus into its interval, the 1/N^2 of the inverse transform included.
__device__ inline float2 projected(float2 value, float lower, float upper)
{
    const float scale = 1.0f / N;
    float re = scale * value.x, im = scale * value.y;
    float modulus = sqrtf(re * re + im * im);
    float allowed = fminf(fmaxf(modulus, lower), upper);
    return modulus < DARK ? make_float2(scale * allowed, 0.0f)
                          : (allowed / modulus * scale * scale) * value;
}

// Two real densities in one image: F1 and F2 are taken out of Z(k) and Z(-k), and packed again.
__device__ inline void project_pair(float2 *at, float2 *opposite, float lower, float upper)
{
    float2 other = conjugate(*opposite);
    float2 first = projected(0.5f * (*at + other), lower, upper);
    float2 second = projected(over_i(0.5f * (*at - other)), lower, upper);
    *at = first + times_i(second);
    *opposite = conjugate(first) + times_i(conjugate(second));
}

__device__ inline void project_tile(float2 *tile, const float *lower, const float *upper)
{
    for (int one = threadIdx.x; one < N * LANES; one += THREADS)
        tile[one] = projected(tile[one], lower[one], upper[one]);
}

// The partners of a tile's frequencies are one tile, `opposite`; it may be the tile itself.
__device__ inline void project_tiles(
    float2 *tile, float2 *opposite, int first, const float *lower, const float *upper)
{
    for (int one = threadIdx.x; one < N * LANES; one += THREADS) {
        int lane = first == 0 ? partner(one % LANES) : LANES - 1 - one % LANES;
        int other = partner(one / LANES) * LANES + lane;
        if (tile != opposite || one <= other)
            project_pair(tile + one, opposite + other, lower[one], upper[one]);
    }
}

__device__ inline void copy(float2 *to, const float2 *from)
{
    for (int one = threadIdx.x; one < N * LANES; one += THREADS) to[one] = from[one];
}

// A block has one tile of an image, or two that are each other's partners. Tiles of the bounds lie
// as those of H, those of one problem after those of another; each problem has `images` images,
// and `first` tells which one of the population is the first here.
extern "C" __global__ void column_pass(
    float2 *half, const float *lower, const float *upper, const float2 *roots,
    int first, int images)
{
    __shared__ float2 shared[(PAIRED + 1) * N * LANES];
    int own = blockIdx.x, other = PAIRED ? partner(own) : own;
    if (other < own) return;  // the block of the partner does it
    int tiles = other == own ? 1 : 2;
    float2 *image = half + (size_t)blockIdx.y * N * N, *opposite = shared + (tiles - 1) * N * LANES;
    size_t bounds = (size_t)((first + blockIdx.y) / images) * N * N + (size_t)own * N * LANES;
    const float *low = lower + bounds, *high = upper + bounds;
    copy(shared, image + (size_t)own * N * LANES);
    if (tiles == 2) copy(opposite, image + (size_t)other * N * LANES);
    __syncthreads();
    forward(columns_of(shared, tiles), roots);
    if (PAIRED) project_tiles(shared, opposite, own, low, high);
    else project_tile(shared, low, high);
    __syncthreads();
    inverse(columns_of(shared, tiles), roots);
    copy(image + (size_t)own * N * LANES, shared);
    if (tiles == 2) copy(image + (size_t)other * N * LANES, opposite);
}

// ---- row pass: a block has ROWS rows of an image

// H for element `one` of a block, and where that element is in the block's rows: pieces of
// ROWS x LANES elements are contiguous in H.
__device__ inline float2 *in_half(float2 *half, int one)
{
    int tile = one / (ROWS * LANES), rest = one % (ROWS * LANES);
    return half + ((size_t)blockIdx.y * N * N + ((size_t)tile * N + blockIdx.x * ROWS) * LANES + rest);
}

__device__ inline int in_rows(int one)
{
    int tile = one / (ROWS * LANES), row = one / LANES % ROWS;
    return row * N + tile * LANES + one % LANES;
}

__device__ inline void store(float2 *half, const float2 *rows)
{
    for (int one = threadIdx.x; one < ROWS * N; one += THREADS)
        *in_half(half, one) = rows[in_rows(one)];
}

#if PAIRED
typedef float value;

// Image i holds the individuals 2i and 2i + 1; an odd last one is alone with darkness.
__device__ inline float2 loaded(const float *density, size_t pixel, int individuals)
{
    size_t first = 2 * (size_t)blockIdx.y * N * N + pixel;
    bool is_alone = 2 * blockIdx.y + 1 == individuals;
    return make_float2(density[first], is_alone ? 0.0f : density[first + N * N]);
}

__device__ inline float updated(
    float x, float q, bool inside, float a, float b, int reflected, int positive)
{
    if (positive) inside = inside && (reflected ? 2 * q - x : q) >= 0;
    return inside ? q : a * x + b * q;
}

__device__ inline float2 update(
    float *density, const byte *support, size_t pixel, int individuals, float2 q,
    float a, float b, int reflected, int positive)
{
    size_t first = 2 * (size_t)blockIdx.y * N * N + pixel, second = first + N * N;
    float2 x = loaded(density, pixel, individuals);
    density[first] = x.x = updated(x.x, q.x, support[first], a, b, reflected, positive);
    if (2 * blockIdx.y + 1 < individuals)
        density[second] = x.y = updated(x.y, q.y, support[second], a, b, reflected, positive);
    return x;
}
#else
typedef float2 value;

__device__ inline float2 loaded(const float2 *density, size_t pixel, int)
{
    return density[(size_t)blockIdx.y * N * N + pixel];
}

__device__ inline float2 update(
    float2 *density, const byte *support, size_t pixel, int, float2 q, float a, float b, int, int)
{
    size_t at = (size_t)blockIdx.y * N * N + pixel;
    float2 x = density[at];
    return density[at] = support[at] ? q : a * x + b * q;
}
#endif

// H of some densities.
extern "C" __global__ void first_rows(
    float2 *half, const value *density, int individuals, const float2 *roots)
{
    __shared__ float2 rows[ROWS * N];
    for (int one = threadIdx.x; one < ROWS * N; one += THREADS)
        rows[one] = loaded(density, (size_t)blockIdx.x * ROWS * N + one, individuals);
    __syncthreads();
    forward(rows_of(rows), roots);
    store(half, rows);
}

// ER, HIO, RAAR and DM: q inside, a x + b q outside (see engine/algorithms.py). The last iteration
// leaves H as it is.
extern "C" __global__ void row_pass(
    float2 *half, value *density, const byte *support, int individuals, const float2 *roots,
    float a, float b, int reflected, int positive, int is_last)
{
    __shared__ float2 rows[ROWS * N];
    for (int one = threadIdx.x; one < ROWS * N; one += THREADS)
        rows[in_rows(one)] = *in_half(half, one);
    __syncthreads();
    inverse(rows_of(rows), roots);
    for (int one = threadIdx.x; one < ROWS * N; one += THREADS)
        rows[one] = update(density, support, (size_t)blockIdx.x * ROWS * N + one, individuals,
            rows[one], a, b, reflected, positive);
    if (is_last) return;
    __syncthreads();
    forward(rows_of(rows), roots);
    store(half, rows);
}
