/* Children, mixed pixel by pixel with the counter-based random numbers of the whole engine.
 *
 * Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC11),
 * section 3.3.
 */
#include <math.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

enum { ROUNDS = 10, WORDS = 4, BLOCKS = 16, PIXELS = BLOCKS * WORDS };

/* Numbers `counter` and on of blocks that differ in their first word; u[4 i + word]. */
static void uniforms(uint32_t counter, const uint32_t rest[3], uint64_t key, float u[PIXELS]) {
    uint32_t c0[BLOCKS], c1[BLOCKS], c2[BLOCKS], c3[BLOCKS];
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int i = 0; i < BLOCKS; i++) {
        c0[i] = counter + (uint32_t)i;
        c1[i] = rest[0], c2[i] = rest[1], c3[i] = rest[2];
    }
    for (int round = 0; round < ROUNDS; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
        for (int i = 0; i < BLOCKS; i++) {
            const uint64_t left = (uint64_t)c0[i] * 0xD2511F53u;
            const uint64_t right = (uint64_t)c2[i] * 0xCD9E8D57u;
            c0[i] = (uint32_t)(right >> 32) ^ c1[i] ^ k0;
            c2[i] = (uint32_t)(left >> 32) ^ c3[i] ^ k1;
            c1[i] = (uint32_t)right;
            c3[i] = (uint32_t)left;
        }
    for (int i = 0; i < BLOCKS; i++) {
        const uint32_t words[WORDS] = {c0[i], c1[i], c2[i], c3[i]};
        for (int word = 0; word < WORDS; word++)
            u[WORDS * i + word] = (float)(int32_t)(words[word] >> 8) * 0x1p-24f;
    }
}

/* A parent, its donors a, b, c, and the child; densities of `parts` floats for each pixel. */
typedef struct {
    const float *parent, *a, *b, *c;
    const uint8_t *parent_support, *a_support, *b_support, *c_support;
    float *child;
    uint8_t *child_support;
    int parts, is_positive;
    float weight;
} family;

/* a + F (b - c), cut at one half, where a pixel is taken from the donors; else the parent's. */
static void mix_supports(const family *f, int64_t first, const uint8_t taken[PIXELS]) {
    for (int64_t i = 0, at = first; i < PIXELS; i++, at++) {
        const float gap = (float)(f->b_support[at] - f->c_support[at]);
        const uint8_t mixed = (float)f->a_support[at] + f->weight * gap > 0.5f;
        f->child_support[at] = taken[i] ? mixed : f->parent_support[at];
    }
}

/* The same of the densities, then the constraint: nothing outside the support, nor below 0. */
static inline void mix_densities(const family *f, int64_t first, const uint8_t taken[PIXELS],
                                 const int parts, const float least) {
    float *restrict child = f->child;
    for (int64_t i = 0; i < PIXELS * parts; i++) {
        const int64_t at = first * parts + i, pixel = i / parts;
        const float mixed = f->a[at] + f->weight * (f->b[at] - f->c[at]);
        const float value = taken[pixel] ? mixed : f->parent[at];
        const float positive = value < least ? least : value;
        child[at] = f->child_support[first + pixel] ? positive : 0;
    }
}

static void mix(const family *f, int64_t first, const uint8_t taken[PIXELS]) {
    mix_supports(f, first, taken);
    if (f->parts == 2) mix_densities(f, first, taken, 2, -INFINITY);
    else mix_densities(f, first, taken, 1, f->is_positive ? 0 : -INFINITY);
}

/* The child of a family, of the parent and the donors a, b, c in this order. `numbers` are those
 * of its random numbers: individual, generation, purpose. The pixel that number `pixels` says
 * comes from the donors in any case. `pixels` is a multiple of 64.
 */
EXPORT void crossover(int64_t pixels, int is_complex, int is_positive,
                      const float *const densities[4], const uint8_t *const supports[4],
                      float *child, uint8_t *child_support, float weight, float share,
                      uint64_t key, const uint32_t numbers[3]) {
    const family family = {
        densities[0], densities[1], densities[2], densities[3],
        supports[0], supports[1], supports[2], supports[3],
        child, child_support, is_complex ? 2 : 1, is_positive, weight,
    };
    float u[PIXELS];
    uint8_t taken[PIXELS];
    uniforms((uint32_t)(pixels / WORDS), numbers, key, u);
    const int64_t forced = (int64_t)(u[0] * (float)pixels);
    for (int64_t first = 0; first < pixels; first += PIXELS) {
        uniforms((uint32_t)(first / WORDS), numbers, key, u);
        for (int i = 0; i < PIXELS; i++) taken[i] = u[i] < share;
        if (first <= forced && forced < first + PIXELS) taken[forced - first] = 1;
        mix(&family, first, taken);
    }
}
