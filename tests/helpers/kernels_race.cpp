// Every kernel of kernels.cu on small images; compile with -DN.
#include "gpu_race.h"
#include "kernels.cu"
#undef inline

static const unsigned T = 32;
static const int POPSIZE = 2, P = 4, HALF = N / 2 + 1;
static const size_t PIXELS = (size_t)N * N, HALF_PIXELS = (size_t)N * HALF;

static unsigned blocks(size_t threads) { return (threads + T - 1) / T; }

static std::vector<byte> random_support()
{
    std::vector<byte> support(P * PIXELS);
    std::mt19937 random(3);
    for (byte &inside : support) inside = random() & 1;
    return support;
}

static void in_fourier_space()
{
    auto lower = noise<float>(2 * HALF_PIXELS, 1);
    for (float &modulus : lower) modulus = fabsf(modulus);
    auto upper = lower;
    for (size_t i = 0; i < upper.size(); i += 3) upper[i] = INFINITY;
    auto spectrum = noise<float2>(P * HALF_PIXELS, 2);
    launch(project, blocks(HALF_PIXELS), P, T, spectrum.data(), lower.data(), upper.data(), 0,
           POPSIZE, (long long)HALF_PIXELS, 1.0f / N);
    const unsigned slabs = 16;
    std::vector<double> sums(3 * slabs * P, NAN);
    launch(compare, slabs, P, T, spectrum.data(), lower.data(), upper.data(), sums.data(), 0,
           POPSIZE, (long long)HALF_PIXELS, HALF, N, 1, 1.0f / N);
    for (double sum : sums) require(std::isfinite(sum), "compare leaves a sum unwritten");
}

static void in_real_space()
{
    auto support = random_support(), moved_support = support;
    auto real = noise<float>(P * PIXELS, 3), projected = noise<float>(P * PIXELS, 4);
    auto whole = noise<float2>(P * PIXELS, 5), other = noise<float2>(P * PIXELS, 6);
    launch(update_real, blocks(PIXELS), P, T, real.data(), projected.data(), support.data(),
           (long long)PIXELS, .9f, -.8f, 1, 1);
    launch(update_complex, blocks(PIXELS), P, T, whole.data(), other.data(), support.data(),
           (long long)PIXELS, .9f, -.8f, 1, 1);
    std::vector<double> items(P * 5 * 5, 3.0);
    std::vector<int> counts = {1, 5, 2, 3};
    launch(start_real, blocks(PIXELS), P, T, real.data(), items.data(), counts.data(), 5, N, .5);
    launch(start_complex, blocks(PIXELS), P, T, whole.data(), items.data(), counts.data(), 5, N,
           .5);
    std::vector<int> motions = {0, 0, 0, 1, 3, 5, 0, N - 1, 1, 1, 0, 0};
    std::vector<float> factors = {1, 0, -1, 0, .6f, .8f, 1, 0};
    launch(move_real, blocks(PIXELS), P, T, real.data(), support.data(), projected.data(),
           moved_support.data(), motions.data(), factors.data(), N);
    launch(move_complex, blocks(PIXELS), P, T, whole.data(), support.data(), other.data(),
           moved_support.data(), motions.data(), factors.data(), N);
}

static void crossover()
{
    auto support = random_support(), child_support = support;
    auto real = noise<float>(P * PIXELS, 3), child = real;
    auto whole = noise<float2>(P * PIXELS, 5), whole_child = whole;
    std::vector<int> donors;
    for (int own = 0; own < P; own++)
        for (int next = 1; next < 4; next++) donors.push_back((own + next) % P);
    std::vector<float> weights(P, .7f);
    std::vector<long long> forced = {0, 5, (long long)PIXELS - 1, 7};
    std::vector<word> keys = {1, 2, 3, 4};
    const unsigned columns = blocks((PIXELS + 3) / 4);
    launch(cross_real, columns, P, T, real.data(), support.data(), child.data(),
           child_support.data(), donors.data(), weights.data(), forced.data(), keys.data(), POPSIZE,
           (long long)PIXELS, .9f, 3u, 2u, 1);
    launch(cross_complex, columns, P, T, whole.data(), support.data(), whole_child.data(),
           child_support.data(), donors.data(), weights.data(), forced.data(), keys.data(), POPSIZE,
           (long long)PIXELS, .9f, 3u, 2u, 0);
}

struct Cut {
    float threshold;
    long long area, least, most;
    int levels;  // of the image: 0 for noise
};

// As many pixels as wanted, by threshold and by area, where many are equal too.
static void selection(const Cut &cut, int parts)
{
    auto image = noise<float>(P * PIXELS, 9);
    if (cut.levels == 2)
        for (float &pixel : image) pixel = pixel > 1 ? 2.0f : 1.0f;
    if (cut.levels == 1)
        for (float &pixel : image) pixel = 0;
    auto density = noise<float>(P * PIXELS * parts, 8);
    std::vector<byte> support(P * PIXELS, 77);
    launch(keep_strongest, 1, P, T, image.data(), density.data(), support.data(),
           (long long)PIXELS, parts, cut.threshold, cut.area, cut.least, cut.most);
    for (int own = 0; own < P; own++) {
        long long area = 0;
        for (size_t i = 0; i < PIXELS; i++) {
            require(support[own * PIXELS + i] <= 1, "a support is not written");
            area += support[own * PIXELS + i];
        }
        require(cut.threshold >= 0 || area == cut.area, "an area is not the wanted one");
    }
}

int main()
{
    in_fourier_space();
    in_real_space();
    crossover();
    const long long all = PIXELS;
    for (const Cut &cut : {Cut{.2f, 0, 4, 400, 0}, Cut{.99f, 0, 40, 400, 0}, Cut{.01f, 0, 4, 40, 0},
                           Cut{-1, 60, 4, 400, 0}, Cut{-1, 60, 4, 400, 2}, Cut{-1, all, 4, all, 0},
                           Cut{-1, 1, 1, 4, 2}, Cut{0, 0, 4, 400, 1}})
        selection(cut, 1 + (cut.area == 60));
    require(!divergent, "threads of a block wait at different barriers");
}
