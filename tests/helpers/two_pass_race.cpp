// Two iterations by the two-pass kernels; compile with -DN, -DLANES, -DROWS, -DPAIRED, -DTHREADS.
#include "gpu_race.h"
#include "two_pass.cu"
#undef inline

int main()
{
    const int popsize = PAIRED ? 3 : 4, images = PAIRED ? 2 : 4;  // one without a partner
    const size_t pixels = (size_t)N * N;
    std::vector<float2> half(images * pixels, float2{NAN, NAN}), roots(N);
    for (int k = 0; k < N; k++) {
        double angle = -2 * M_PI * k / N;
        roots[k] = {(float)cos(angle), (float)sin(angle)};
    }
    auto density = noise<value>(popsize * pixels, 1);
    std::vector<byte> support(popsize * pixels);
    for (size_t i = 0; i < support.size(); i++) support[i] = i % 3 > 0;
    auto lower = noise<float>(pixels, 3);
    for (float &modulus : lower) modulus = fabsf(modulus);
    auto upper = lower;
    launch(first_rows, N / ROWS, images, THREADS, half.data(), density.data(), popsize,
           roots.data());
    for (int last = 0; last < 2; last++) {
        launch(column_pass, N / LANES, images, THREADS, half.data(), lower.data(), upper.data(),
               roots.data(), 0, images);
        launch(row_pass, N / ROWS, images, THREADS, half.data(), density.data(), support.data(),
               popsize, roots.data(), .9f, -.8f, 1, 1, last);
    }
    require(are_finite((float *)density.data(), density.size() * sizeof(value) / sizeof(float)),
            "a density is not finite");
    require(!divergent, "threads of a block wait at different barriers");
}
