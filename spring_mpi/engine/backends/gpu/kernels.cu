// Kernels of the cupy backend: what cuFFT and array expressions would need several sweeps for.
//
// P individuals of N x N pixels lie one after the other, rows contiguous: densities are float or
// float2, supports bytes 0 or 1. Spectra are those of unscaled transforms, (P, N, N/2 + 1) where
// the density is real and (P, N, N) where it is complex; `scale` = 1/N makes their moduli those of
// the data. Where nothing else is said a thread has one pixel, and blockIdx.y is the individual.
// A population may serve several problems, `popsize` individuals each; bounds and keys then lie one
// after the other, and `first` is the number of individual 0 of this launch in the population.
// Sums are added in a fixed order, without atomics on floats: equal input gives equal bits.

typedef unsigned char byte;
typedef unsigned int word;

#define SELECT_THREADS 256
#define DARK 1e-30f  // darker moduli have no phase

__device__ inline size_t pixel_index() { return (size_t)blockIdx.x * blockDim.x + threadIdx.x; }

__device__ inline float2 operator+(float2 u, float2 v) { return make_float2(u.x + v.x, u.y + v.y); }
__device__ inline float2 operator-(float2 u, float2 v) { return make_float2(u.x - v.x, u.y - v.y); }
__device__ inline float2 operator*(float u, float2 v) { return make_float2(u * v.x, u * v.y); }

__device__ inline float modulus_of(float2 value, float scale)
{
    float re = scale * value.x, im = scale * value.y;
    return sqrtf(re * re + im * im);
}

__device__ inline float clipped(float modulus, float lower, float upper)
{
    return fminf(fmaxf(modulus, lower), upper);
}

__device__ inline size_t problem_of(int first, int popsize)
{
    return (first + blockIdx.y) / popsize;
}

// ---- Fourier space

// Every modulus to the nearest one in its interval; the factor of the inverse transform included.
extern "C" __global__ void project(
    float2 *spectrum, const float *lower, const float *upper, int first, int popsize,
    long long pixels, float scale)
{
    size_t pixel = pixel_index();
    if (pixel >= pixels) return;
    size_t bound = problem_of(first, popsize) * pixels + pixel;
    float2 *value = spectrum + blockIdx.y * pixels + pixel;
    float modulus = modulus_of(*value, scale);
    float allowed = clipped(modulus, lower[bound], upper[bound]);
    *value = modulus < DARK ? make_float2(scale * allowed, 0.0f)
                            : (allowed / modulus * scale * scale) * *value;
}

// How many pixels of the whole spectrum one of the given column stands for.
__device__ inline double multiplicity(int column, int size, int is_real)
{
    return is_real && column > 0 && 2 * column != size ? 2.0 : 1.0;
}

// The sum over a block's threads, in the same order always.
__device__ inline double block_sum(double *shared, double value)
{
    shared[threadIdx.x] = value;
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
    }
    __syncthreads();
    double sum = shared[0];
    __syncthreads();
    return sum;
}

// Partial sums over the pixels of a spectrum: (P, gridDim.x, 3) of the squared distances to the
// intervals, and over the measured pixels of |F|^2 and |F| A, which scale a density to the data.
extern "C" __global__ void compare(
    const float2 *spectrum, const float *lower, const float *upper, double *sums,
    int first, int popsize, long long pixels, int columns, int size, int is_real, float scale)
{
    __shared__ double shared[SELECT_THREADS];
    size_t bounds = problem_of(first, popsize) * pixels;
    double distance = 0, power = 0, overlap = 0;
    for (size_t pixel = pixel_index(); pixel < pixels; pixel += (size_t)gridDim.x * blockDim.x) {
        float modulus = modulus_of(spectrum[blockIdx.y * pixels + pixel], scale);
        float low = lower[bounds + pixel], high = upper[bounds + pixel];
        double times = multiplicity(pixel % columns, size, is_real);
        double gap = modulus - clipped(modulus, low, high);
        distance += times * gap * gap;
        if (low == high) {
            power += times * modulus * modulus;
            overlap += times * modulus * low;
        }
    }
    double *out = sums + 3 * ((size_t)blockIdx.y * gridDim.x + blockIdx.x);
    double all[3] = {distance, power, overlap};
    for (int one = 0; one < 3; one++) {
        double sum = block_sum(shared, all[one]);
        if (threadIdx.x == 0) out[one] = sum;
    }
}

// ---- real space

// ER, HIO, RAAR and DM: q inside, a x + b q outside (see engine/algorithms.py).
extern "C" __global__ void update_real(
    float *density, const float *projected, const byte *support, long long pixels,
    float a, float b, int reflected, int positive)
{
    size_t pixel = pixel_index();
    if (pixel >= pixels) return;
    size_t at = blockIdx.y * pixels + pixel;
    float x = density[at], q = projected[at];
    bool inside = support[at];
    if (positive) inside = inside && (reflected ? 2 * q - x : q) >= 0;
    density[at] = inside ? q : a * x + b * q;
}

extern "C" __global__ void update_complex(
    float2 *density, const float2 *projected, const byte *support, long long pixels,
    float a, float b, int, int)
{
    size_t pixel = pixel_index();
    if (pixel >= pixels) return;
    size_t at = blockIdx.y * pixels + pixel;
    float2 x = density[at], q = projected[at];
    density[at] = support[at] ? q : a * x + b * q;
}

// Superposed spheres; an item is (radius, row, column, strength as two numbers), counts how many.
__device__ inline double2 spheres(
    const double *items, int count, int row, int column, double gamma)
{
    double2 sum = make_double2(0.0, 0.0);
    for (const double *item = items; item < items + 5 * count; item += 5) {
        double down = row - item[1], right = column - item[2];
        double inner = 1 - (down * down + right * right) / (item[0] * item[0]);
        double profile = pow(inner > 0 ? inner : 0.0, gamma);
        sum.x += item[3] * profile;
        sum.y += item[4] * profile;
    }
    return sum;
}

extern "C" __global__ void start_real(
    float *density, const double *items, const int *counts, int most, int size, double gamma)
{
    size_t pixel = pixel_index(), pixels = (size_t)size * size;
    if (pixel >= pixels) return;
    int row = (int)(pixel / size) - size / 2, column = (int)(pixel % size) - size / 2;
    const double *own = items + (size_t)blockIdx.y * most * 5;
    density[blockIdx.y * pixels + pixel] =
        (float)spheres(own, counts[blockIdx.y], row, column, gamma).x;
}

extern "C" __global__ void start_complex(
    float2 *density, const double *items, const int *counts, int most, int size, double gamma)
{
    size_t pixel = pixel_index(), pixels = (size_t)size * size;
    if (pixel >= pixels) return;
    int row = (int)(pixel / size) - size / 2, column = (int)(pixel % size) - size / 2;
    const double *own = items + (size_t)blockIdx.y * most * 5;
    double2 sum = spheres(own, counts[blockIdx.y], row, column, gamma);
    density[blockIdx.y * pixels + pixel] = make_float2((float)sum.x, (float)sum.y);
}

// ---- shrink-wrap: one block has one individual

// Floats as whole numbers of the same order.
__device__ inline word ordered(float value)
{
    word bits = __float_as_uint(value);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

__device__ inline float block_maximum(float *shared, const float *image, long long pixels)
{
    float highest = image[0];
    for (size_t pixel = threadIdx.x; pixel < pixels; pixel += blockDim.x)
        highest = fmaxf(highest, image[pixel]);
    shared[threadIdx.x] = highest;
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half)
            shared[threadIdx.x] = fmaxf(shared[threadIdx.x], shared[threadIdx.x + half]);
    }
    __syncthreads();
    highest = shared[0];
    __syncthreads();
    return highest;
}

// The rank-th highest value, byte by byte from the top: each round counts the pixels that agree
// with what is known so far by their next byte. On return `rank` tells how many of the pixels of
// that very value are among the highest, and `equals` how many there are.
__device__ inline word ranked(
    word *histogram, const float *image, long long pixels, long long *rank, word *equals)
{
    __shared__ word chosen;
    __shared__ long long left;
    word value = 0, known = 0;
    for (int shift = 24; shift >= 0; shift -= 8) {
        for (int bin = threadIdx.x; bin < 256; bin += blockDim.x) histogram[bin] = 0;
        __syncthreads();
        for (size_t pixel = threadIdx.x; pixel < pixels; pixel += blockDim.x) {
            word key = ordered(image[pixel]);
            if ((key & known) == value) atomicAdd(&histogram[key >> shift & 255], 1u);
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            int bin = 255;
            for (left = *rank; bin > 0 && histogram[bin] < left; bin--) left -= histogram[bin];
            chosen = bin;
        }
        __syncthreads();
        *rank = left;
        *equals = histogram[chosen];
        value |= chosen << shift;
        known |= 255u << shift;
        __syncthreads();
    }
    return value;
}

__device__ inline void clear(float *density, size_t pixel, int parts)
{
    for (int part = 0; part < parts; part++) density[pixel * parts + part] = 0;
}

// Keep the pixels above `threshold` of the maximum (where that is at least 0), or the `area`
// strongest; a threshold that keeps fewer than `least` or more than `most` keeps just so many.
// Of equally strong ones the first are kept. The density (`parts` floats a pixel) is cut along.
extern "C" __global__ void keep_strongest(
    const float *blurred, float *density, byte *support, long long pixels, int parts,
    float threshold, long long area, long long least, long long most)
{
    __shared__ float values[SELECT_THREADS];
    __shared__ double sums[SELECT_THREADS];
    __shared__ word histogram[256];
    const float *image = blurred + blockIdx.y * pixels;
    byte *kept = support + blockIdx.y * pixels;
    float *cut = density + blockIdx.y * pixels * parts;
    long long rank = area;
    bool by_rank = threshold < 0;
    float limit = 0;
    if (!by_rank) {
        limit = threshold * block_maximum(values, image, pixels);
        double own = 0;
        for (size_t pixel = threadIdx.x; pixel < pixels; pixel += blockDim.x)
            own += image[pixel] > limit;
        double number = block_sum(sums, own);
        by_rank = number < least || number > most;
        rank = number < least ? least : most;
    }
    word weakest = 0, equals = 0;
    if (by_rank) weakest = ranked(histogram, image, pixels, &rank, &equals);
    bool has_ties = by_rank && equals > rank;
    for (size_t pixel = threadIdx.x; pixel < pixels; pixel += blockDim.x) {
        word key = ordered(image[pixel]);
        if (has_ties && key == weakest) continue;
        bool inside = by_rank ? key >= weakest : image[pixel] > limit;
        kept[pixel] = inside;
        if (!inside) clear(cut, pixel, parts);
    }
    // More pixels than wanted are as strong as the weakest: one thread takes the first of them.
    if (!has_ties || threadIdx.x > 0) return;
    for (size_t pixel = 0; pixel < pixels; pixel++) {
        if (ordered(image[pixel]) != weakest) continue;
        kept[pixel] = rank > 0;
        if (rank-- <= 0) clear(cut, pixel, parts);
    }
}

// ---- crossover

__device__ inline void philox(word counter[4], word key0, word key1)
{
    for (int round = 0; round < 10; round++) {
        word high0 = __umulhi(0xD2511F53u, counter[0]), low0 = 0xD2511F53u * counter[0];
        word high1 = __umulhi(0xCD9E8D57u, counter[2]), low1 = 0xCD9E8D57u * counter[2];
        counter[0] = high1 ^ counter[1] ^ key0;
        counter[1] = low1;
        counter[2] = high0 ^ counter[3] ^ key1;
        counter[3] = low0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
}

__device__ inline float positive_part(float value) { return fmaxf(value, 0.0f); }
__device__ inline float2 positive_part(float2 value) { return value; }
__device__ inline float nothing(float) { return 0.0f; }
__device__ inline float2 nothing(float2) { return make_float2(0.0f, 0.0f); }

// A pixel of a child: a + F (b - c) of its donors where taken, else its own; cut and constrained.
template <typename T>
__device__ inline void cross_pixel(
    const T *density, const byte *support, T *child, byte *child_support, size_t own,
    size_t a, size_t b, size_t c, float weight, bool taken, bool positive)
{
    T value = density[own];
    bool inside = support[own];
    if (taken) {
        value = density[a] + weight * (density[b] - density[c]);
        inside = support[a] + weight * ((float)support[b] - (float)support[c]) > 0.5f;
    }
    child_support[own] = inside;
    child[own] = inside ? (positive ? positive_part(value) : value) : nothing(value);
}

// A thread has the four pixels whose random numbers are one block of the generator.
template <typename T>
__device__ inline void cross(
    const T *density, const byte *support, T *child, byte *child_support,
    const int *donors, const float *weights, const long long *forced, const word *keys,
    int popsize, long long pixels, float share, word generation, word purpose, int positive)
{
    size_t block = pixel_index();
    if (4 * block >= pixels) return;
    int individual = blockIdx.y;
    const word *key = keys + 2 * problem_of(0, popsize);
    word numbers[4] = {(word)block, (word)(individual % popsize), generation, purpose};
    philox(numbers, key[0], key[1]);
    const int *from = donors + 3 * individual;
    for (int lane = 0; lane < 4 && 4 * block + lane < pixels; lane++) {
        size_t pixel = 4 * block + lane;
        bool taken = (numbers[lane] >> 8) * 5.9604644775390625e-8f < share;
        cross_pixel(density, support, child, child_support, individual * pixels + pixel,
            from[0] * pixels + pixel, from[1] * pixels + pixel, from[2] * pixels + pixel,
            weights[individual], taken || pixel == forced[individual], positive);
    }
}

extern "C" __global__ void cross_real(
    const float *density, const byte *support, float *child, byte *child_support,
    const int *donors, const float *weights, const long long *forced, const word *keys,
    int popsize, long long pixels, float share, word generation, word purpose, int positive)
{
    cross(density, support, child, child_support, donors, weights, forced, keys, popsize, pixels,
        share, generation, purpose, positive);
}

extern "C" __global__ void cross_complex(
    const float2 *density, const byte *support, float2 *child, byte *child_support,
    const int *donors, const float *weights, const long long *forced, const word *keys,
    int popsize, long long pixels, float share, word generation, word purpose, int)
{
    cross(density, support, child, child_support, donors, weights, forced, keys, popsize, pixels,
        share, generation, purpose, 0);
}

// ---- registration

// Where the pixel (row, column) of a moved image comes from: a motion is (twin, rows, columns).
__device__ inline size_t origin(const int *motion, int row, int column, int size)
{
    int down = (row - motion[1] + size) % size, right = (column - motion[2] + size) % size;
    if (motion[0]) down = (size - down) % size, right = (size - right) % size;
    return (size_t)down * size + right;
}

__device__ inline float turned(float value, const float *factor, int) { return factor[0] * value; }

__device__ inline float2 turned(float2 value, const float *factor, int twin)
{
    float im = twin ? -value.y : value.y;
    return make_float2(
        factor[0] * value.x - factor[1] * im, factor[0] * im + factor[1] * value.x);
}

template <typename T>
__device__ inline void move(
    const T *density, const byte *support, T *moved, byte *moved_support,
    const int *motions, const float *factors, int size)
{
    size_t pixel = pixel_index(), pixels = (size_t)size * size;
    if (pixel >= pixels) return;
    const int *motion = motions + 3 * blockIdx.y;
    size_t from = origin(motion, pixel / size, pixel % size, size) + blockIdx.y * pixels;
    moved[blockIdx.y * pixels + pixel] =
        turned(density[from], factors + 2 * blockIdx.y, motion[0]);
    moved_support[blockIdx.y * pixels + pixel] = support[from];
}

extern "C" __global__ void move_real(
    const float *density, const byte *support, float *moved, byte *moved_support,
    const int *motions, const float *factors, int size)
{
    move(density, support, moved, moved_support, motions, factors, size);
}

extern "C" __global__ void move_complex(
    const float2 *density, const byte *support, float2 *moved, byte *moved_support,
    const int *motions, const float *factors, int size)
{
    move(density, support, moved, moved_support, motions, factors, size);
}
