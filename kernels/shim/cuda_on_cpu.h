// Runs unchanged .cu text on the CPU, to find wrong indices, missing barriers and uninitialised shared
// memory. Blocks run one after the other, so that shared memory may be static; the threads of a block
// are fibres that give way at barriers, in forward, reverse or shuffled order.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <ucontext.h>
#include <utility>
#include <vector>

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};
inline dim3 threadIdx, blockIdx, blockDim, gridDim;

#define __global__
#define __device__
#define __forceinline__ inline
// All shared memory lies in one section, so that it can be poisoned between blocks.
#define __shared__ static __attribute__((section("cuda_shared")))
extern "C" char __start_cuda_shared[] __attribute__((weak, visibility("hidden")));
extern "C" char __stop_cuda_shared[] __attribute__((weak, visibility("hidden")));

// Fibres give way only at barriers: plain operations are atomic.
inline unsigned atomicAdd(unsigned* at, unsigned amount) { return std::exchange(*at, *at + amount); }
inline unsigned atomicMin(unsigned* at, unsigned other) { return std::exchange(*at, *at < other ? *at : other); }
inline unsigned atomicMax(unsigned* at, unsigned other) { return std::exchange(*at, *at > other ? *at : other); }
inline unsigned __umulhi(unsigned a, unsigned b) { return (uint64_t(a) * b) >> 32; }
template <class To, class From> To cuda_bits(From from) {
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}
inline float __int_as_float(int x) { return cuda_bits<float>(x); }
inline float __uint_as_float(unsigned x) { return cuda_bits<float>(x); }
inline int __float_as_int(float x) { return cuda_bits<int>(x); }
inline unsigned __float_as_uint(float x) { return cuda_bits<unsigned>(x); }

namespace cuda_on_cpu {
enum State { RUNNING, AT_BLOCK_BARRIER, AT_WARP_BARRIER, DONE };
struct Fibre {
    ucontext_t context;
    std::vector<char> stack;
    State state;
};
constexpr unsigned WARP = 32;
inline std::vector<Fibre> fibres;
inline std::vector<unsigned> exchanged;
inline ucontext_t scheduler;
inline unsigned current;
inline void (*body)(void*);
inline void* body_argument;

inline void yield(State state) {
    // Shared memory may have changed when this thread goes on.
    asm volatile("" ::: "memory");
    fibres[current].state = state;
    swapcontext(&fibres[current].context, &scheduler);
    asm volatile("" ::: "memory");
}

inline void fibre() {
    body(body_argument);
    fibres[current].state = DONE;
}

// Whether all live threads in [from, to) wait at such a barrier; then they may go on.
inline bool release(unsigned from, unsigned to, State barrier) {
    bool waiting = false;
    for (unsigned i = from; i < to; ++i) {
        if (fibres[i].state != barrier && fibres[i].state != DONE) return false;
        waiting = waiting || fibres[i].state == barrier;
    }
    for (unsigned i = from; i < to; ++i)
        if (fibres[i].state == barrier) fibres[i].state = RUNNING;
    return waiting;
}

// 0 after the last thread has ended, 1 if the threads wait for each other at different barriers.
inline int run_block(unsigned threads, unsigned order, unsigned& random) {
    std::memset(__start_cuda_shared, 0xff, __stop_cuda_shared - __start_cuda_shared);
    fibres.resize(threads);
    exchanged.assign(threads, 0);
    for (Fibre& f : fibres) {
        f.stack.resize(64 << 10);
        getcontext(&f.context);
        f.context.uc_stack.ss_sp = f.stack.data();
        f.context.uc_stack.ss_size = f.stack.size();
        f.context.uc_link = &scheduler;
        makecontext(&f.context, fibre, 0);
        f.state = RUNNING;
    }
    std::vector<unsigned> turn(threads);
    for (unsigned i = 0; i < threads; ++i) turn[i] = order == 1 ? threads - 1 - i : i;
    for (;;) {
        for (unsigned i = threads; order == 2 && i > 1; --i) {
            random = random * 1664525u + 1013904223u;
            std::swap(turn[i - 1], turn[(uint64_t(random) * i) >> 32]);
        }
        bool moved = false, live = false;
        for (unsigned i : turn) {
            if (fibres[i].state != RUNNING) continue;
            moved = true;
            current = i;
            threadIdx.x = i;
            swapcontext(&scheduler, &fibres[i].context);
        }
        for (unsigned from = 0; from < threads; from += WARP)
            moved = release(from, from + WARP < threads ? from + WARP : threads, AT_WARP_BARRIER) || moved;
        moved = release(0, threads, AT_BLOCK_BARRIER) || moved;
        for (const Fibre& f : fibres) live = live || f.state != DONE;
        if (!live) return 0;
        if (!moved) return 1;
    }
}

template <class... A, std::size_t... I>
int launch(void (*kernel)(A...), void** arguments, dim3 grid, unsigned threads, unsigned order,
           std::index_sequence<I...>) {
    auto call = [&] { kernel(*static_cast<std::remove_reference_t<A>*>(arguments[I])...); };
    body = [](void* f) { (*static_cast<decltype(call)*>(f))(); };
    body_argument = &call;
    gridDim = grid;
    blockDim = {threads, 1, 1};
    unsigned random = 1;
    for (blockIdx.z = 0; blockIdx.z < grid.z; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x)
                if (int code = run_block(threads, order, random)) return code;
    return 0;
}
} // namespace cuda_on_cpu

inline void __syncthreads() { cuda_on_cpu::yield(cuda_on_cpu::AT_BLOCK_BARRIER); }
inline void __syncwarp(unsigned = ~0u) { cuda_on_cpu::yield(cuda_on_cpu::AT_WARP_BARRIER); }

// Every lane of a warp shows its value, then reads that of another; outside the warp, its own.
template <class T> T cuda_shuffle(T value, unsigned source) {
    static_assert(sizeof(T) == 4, "shuffles of 4 bytes");
    unsigned thread = threadIdx.x, base = thread / cuda_on_cpu::WARP * cuda_on_cpu::WARP;
    cuda_on_cpu::exchanged[thread] = cuda_bits<unsigned>(value);
    __syncwarp();
    bool inside = source < cuda_on_cpu::WARP && base + source < blockDim.x;
    T other = cuda_bits<T>(cuda_on_cpu::exchanged[inside ? base + source : thread]);
    __syncwarp();
    return other;
}
inline unsigned cuda_lane() { return threadIdx.x % cuda_on_cpu::WARP; }
template <class T> T __shfl_sync(unsigned, T v, unsigned lane) { return cuda_shuffle(v, lane); }
template <class T> T __shfl_xor_sync(unsigned, T v, unsigned mask) { return cuda_shuffle(v, cuda_lane() ^ mask); }
template <class T> T __shfl_down_sync(unsigned, T v, unsigned d) { return cuda_shuffle(v, cuda_lane() + d); }
template <class T> T __shfl_up_sync(unsigned, T v, unsigned d) {
    return cuda_shuffle(v, d > cuda_lane() ? cuda_lane() : cuda_lane() - d);
}

// Gives an entry a C name that takes its arguments by address, as the driver does.
#define CUDA_ENTRY(name)                                                                                        \
    extern "C" int run_##name(void** arguments, unsigned x, unsigned y, unsigned z, unsigned threads,           \
                              unsigned order) {                                                                 \
        auto indices = []<class... A>(void (*)(A...)) { return std::index_sequence_for<A...>{}; };              \
        return cuda_on_cpu::launch(name, arguments, dim3{x, y, z}, threads, order, indices(name));              \
    }
