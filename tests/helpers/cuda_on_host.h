// Runs CUDA kernels on a processor: the threads of a block are contexts that take turns at barriers.
//
// Blocks run one after the other, and a block's threads between two barriers too, so that shared
// memory may be static, and atomics are plain. Enough CUDA for kernels.cu, and no more.
#undef _FORTIFY_SOURCE  // its longjmp takes other stacks for a fault
#include "cuda_types.h"
#include <csetjmp>
#include <memory>
#include <ucontext.h>
#include <utility>
#include <vector>

#define __shared__ static

static inline unsigned atomicAdd(unsigned *at, unsigned value)
{
    unsigned before = *at;
    *at += value;
    return before;
}

// A context is entered once, by the system's means; the many jumps after that need no system call.
struct Thread {
    ucontext_t context;
    jmp_buf place;
    bool is_begun, is_over;
    std::unique_ptr<char[]> stack;
};

static const size_t STACK = 64 * 1024;
static ucontext_t main_context;
static jmp_buf scheduler;
static std::vector<Thread> threads;
static void (*body)(void **);
static void **body_arguments;

static void __syncthreads()
{
    unsigned own = threadIdx.x;
    if (!_setjmp(threads[own].place)) _longjmp(scheduler, 1);
}

static void run_thread()
{
    unsigned own = threadIdx.x;
    body(body_arguments);
    threads[own].is_over = true;
    _longjmp(scheduler, 1);
}

static void resume(Thread &thread)
{
    if (_setjmp(scheduler)) return;
    if (thread.is_begun) _longjmp(thread.place, 1);
    thread.is_begun = true;
    swapcontext(&main_context, &thread.context);
}

static void prepare(Thread &thread)
{
    if (!thread.stack) thread.stack.reset(new char[STACK]);
    thread.is_begun = thread.is_over = false;
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack.get();
    thread.context.uc_stack.ss_size = STACK;
    makecontext(&thread.context, run_thread, 0);
}

static void run_block()
{
    for (Thread &thread : threads) prepare(thread);
    for (size_t alive = threads.size(); alive;) {
        for (unsigned one = 0; one < threads.size(); one++) {
            if (threads[one].is_over) continue;
            threadIdx.x = one;
            resume(threads[one]);
            alive -= threads[one].is_over;
        }
    }
}

static void run_block_without_barriers()
{
    for (threadIdx.x = 0; threadIdx.x < blockDim.x; threadIdx.x++) body(body_arguments);
}

static void run_grid(
    void (*kernel)(void **), bool has_barriers, unsigned x, unsigned y, unsigned number, void **a)
{
    body = kernel, body_arguments = a;
    gridDim = {x, y}, blockDim = {number, 1};
    threads.resize(number);
    for (blockIdx.y = 0; blockIdx.y < y; blockIdx.y++)
        for (blockIdx.x = 0; blockIdx.x < x; blockIdx.x++)
            has_barriers ? run_block() : run_block_without_barriers();
}

template <typename... A, size_t... I>
static void apply(void (*kernel)(A...), void **arguments, std::index_sequence<I...>)
{
    kernel(*(A *)arguments[I]...);
}

template <typename... A>
static void apply(void (*kernel)(A...), void **arguments)
{
    apply(kernel, arguments, std::index_sequence_for<A...>());
}

// A function host_NAME(grid x, grid y, threads, arguments) for a kernel NAME.
#define ON_HOST(name, has_barriers)                                                         \
    extern "C" void host_##name(unsigned x, unsigned y, unsigned number, void **arguments)  \
    {                                                                                       \
        auto kernel = [](void **a) { apply(name, a); };                                     \
        run_grid(kernel, has_barriers, x, y, number, arguments);                            \
    }
