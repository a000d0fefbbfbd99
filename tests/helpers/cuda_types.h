// What the kernels take from CUDA, for a compiler of the processor; but for threads and barriers.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#define __global__
#define __device__

struct float2 { float x, y; };
struct double2 { double x, y; };
struct dim3 { unsigned x, y; };
static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline double2 make_double2(double x, double y) { return {x, y}; }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (uint64_t)a * b >> 32; }
static inline unsigned __float_as_uint(float value)
{
    unsigned bits;
    memcpy(&bits, &value, 4);
    return bits;
}
using std::pow;

static dim3 threadIdx, blockIdx, blockDim, gridDim;
