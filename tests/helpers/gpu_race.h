// Runs CUDA kernels under ThreadSanitizer: every CUDA thread of a block is one of its fibers.
//
// Two accesses of different threads to one place race unless a barrier lies between them. Threads
// and blocks run in random order, and shared memory is spoilt before each block, so that whoever
// relies on an order, or on what he has not written, gets other numbers. Barriers that not all
// threads of a block meet at the same place are counted.
#include "cuda_types.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <sanitizer/tsan_interface.h>
#include <type_traits>
#include <ucontext.h>
#include <utility>
#include <vector>

// The scheduler itself is no business of the sanitizer.
#define UNWATCHED __attribute__((no_sanitize("thread")))
// All shared memory lies in one section, where it can be spoilt.
#define __shared__ static __attribute__((section("gpu_shared"), used))
extern char __start_gpu_shared[] __attribute__((weak)), __stop_gpu_shared[] __attribute__((weak));

static inline unsigned atomicAdd(unsigned *at, unsigned value)
{
    return __atomic_fetch_add(at, value, __ATOMIC_RELAXED);
}

struct Fiber {
    ucontext_t context;
    void *watched, *barrier;
    bool is_over;
    std::unique_ptr<char[]> stack;
};

static const size_t STACK = 256 * 1024;
static std::vector<Fiber> fibers;
static ucontext_t scheduler;
static void *scheduler_fiber;
static unsigned running, phase;
static char barriers[2], block_start, block_end;  // places that stand for what happens before what
static void (*body)(void **);
static void **body_arguments;
static long divergent;
static std::mt19937 dice(1);

UNWATCHED static void leave(unsigned own)
{
    __tsan_switch_to_fiber(scheduler_fiber, __tsan_switch_to_fiber_no_sync);
    swapcontext(&fibers[own].context, &scheduler);
}

UNWATCHED __attribute__((noinline)) static void __syncthreads()
{
    unsigned own = running, now = phase;
    fibers[own].barrier = __builtin_return_address(0);
    __tsan_release(&barriers[now & 1]);
    leave(own);
    __tsan_acquire(&barriers[now & 1]);
}

UNWATCHED static void run_fiber()
{
    __tsan_acquire(&block_start);
    unsigned own = running;
    body(body_arguments);
    fibers[own].is_over = true;
    __tsan_release(&block_end);
    leave(own);
}

UNWATCHED static void prepare(Fiber &fiber)
{
    if (!fiber.stack) fiber.stack.reset(new char[STACK]);
    fiber.is_over = false;
    fiber.barrier = nullptr;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = STACK;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, run_fiber, 0);
    fiber.watched = __tsan_create_fiber(0);
}

// Threads that wait must wait at one barrier; those that are over wait at none.
UNWATCHED static void check_barriers()
{
    void *common = nullptr;
    for (Fiber &fiber : fibers) {
        if (fiber.is_over) continue;
        if (!common) common = fiber.barrier;
        divergent += fiber.barrier != common;
    }
}

UNWATCHED static void run_block()
{
    // Bytes of 0xFF: no number for floats, nonsense for counts.
    for (volatile char *at = __start_gpu_shared; at < __stop_gpu_shared; at++) *at = (char)0xFF;
    std::vector<unsigned> order;
    for (Fiber &fiber : fibers) {
        prepare(fiber);
        order.push_back(order.size());
    }
    phase = 0;
    for (size_t alive = fibers.size(); alive; phase++) {
        std::shuffle(order.begin(), order.end(), dice);
        for (unsigned own : order) {
            if (fibers[own].is_over) continue;
            running = threadIdx.x = own;
            __tsan_switch_to_fiber(fibers[own].watched, __tsan_switch_to_fiber_no_sync);
            swapcontext(&scheduler, &fibers[own].context);
            alive -= fibers[own].is_over;
        }
        check_barriers();
    }
    __tsan_acquire(&block_end);
    for (Fiber &fiber : fibers) __tsan_destroy_fiber(fiber.watched);
    __tsan_release(&block_start);
}

template <typename... A, size_t... I>
static void apply(void (*kernel)(A...), void **arguments, std::index_sequence<I...>)
{
    kernel(*(A *)arguments[I]...);
}

// kernel<<<(columns, rows), number>>>(arguments...), block by block.
template <typename... A>
UNWATCHED static void launch(void (*kernel)(A...), unsigned columns, unsigned rows, unsigned number,
                             std::type_identity_t<A>... arguments)
{
    static void (*launched)(A...);
    launched = kernel;
    void *places[] = {(void *)&arguments...};
    body_arguments = places;
    body = [](void **a) { apply(launched, a, std::index_sequence_for<A...>()); };
    scheduler_fiber = __tsan_get_current_fiber();
    __tsan_release(&block_start);
    gridDim = {columns, rows}, blockDim = {number, 1};
    if (fibers.size() != number) fibers = std::vector<Fiber>(number);
    std::vector<dim3> order;
    for (unsigned y = 0; y < rows; y++)
        for (unsigned x = 0; x < columns; x++) order.push_back({x, y});
    std::shuffle(order.begin(), order.end(), dice);
    for (dim3 block : order) {
        blockIdx = block;
        run_block();
    }
}

static void require(bool holds, const char *what)
{
    if (holds) return;
    printf("%s\n", what);
    exit(1);
}

// Normal deviates.
template <typename T> static std::vector<T> noise(size_t count, int seed)
{
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<T> values(count);
    for (T &value : values) {
        if constexpr (std::is_same_v<T, float2>)
            value = {normal(random), normal(random)};
        else
            value = (T)normal(random);
    }
    return values;
}

static bool are_finite(const float *values, size_t count)
{
    return std::all_of(values, values + count, [](float value) { return std::isfinite(value); });
}

// Device functions would lie in one section with inline functions of the library.
#define inline static
