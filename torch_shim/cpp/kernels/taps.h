// Taps are what a depthwise convolution multiplies with: sums over taps for a row of pixels, and
// sums over a row of pixels for the taps. An operand comes straight from a plane in memory.
#pragma once

#include "simd.h"

namespace torch_shim::kernels {
namespace {

constexpr int MOST_TAPS = 15 * 15;
constexpr int TILE = 14;  // Pixels whose sums are in registers at once.

// Weights with where they look, as distances in floats.
struct Taps {
  int count = 0;
  std::ptrdiff_t offsets[MOST_TAPS];
  alignas(64) float weights[MOST_TAPS * LANES];

  void add(std::ptrdiff_t offset, const float* weight) {
    _mm512_store_ps(weights + count * LANES, _mm512_loadu_ps(weight));
    offsets[count++] = offset;
  }
};

template <int N>
TORCH_SHIM_INLINE void convolve(const float* from, int step, const Taps& taps, __m512 (&sums)[N]) {
#pragma GCC unroll 16
  for (int n = 0; n < N; ++n) sums[n] = _mm512_setzero_ps();
  for (int t = 0; t < taps.count; ++t) {
    const float* at = from + taps.offsets[t];
    const __m512 weight = _mm512_load_ps(taps.weights + t * LANES);
#pragma GCC unroll 16
    for (int n = 0; n < N; ++n)
      sums[n] = _mm512_fmadd_ps(_mm512_load_ps(at + n * step), weight, sums[n]);
  }
}

template <int N, class Epilogue>
[[gnu::noinline]] void convolve_tile(const float* from, int step, const Taps& taps, int first,
                                     Epilogue& epilogue) {
  __m512 sums[N];
  convolve<N>(from, step, taps, sums);
  epilogue.template apply<N>(first, sums);
}

// `count` pixels in a row, `step` floats apart in what they read.
template <class Epilogue>
void convolve_row(const float* from, int step, const Taps& taps, int count, Epilogue& epilogue) {
  const int tiles = (count + TILE - 1) / TILE;
  for (int i = 0; i < tiles; ++i) {
    const int first = i * count / tiles, size = (i + 1) * count / tiles - first;
    const float* start = from + std::ptrdiff_t(first) * step;
    switch (size) {
#define CASE(N)                                           \
  case N:                                                 \
    convolve_tile<N>(start, step, taps, first, epilogue); \
    break;
      CASE(1)
      CASE(2)
      CASE(3)
      CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)
#undef CASE
    }
  }
}

// dL/dweight of the taps (row + R, 0 .. K) over a row of pixels.
template <int R, int K>
TORCH_SHIM_INLINE void correlate(const float* input, std::ptrdiff_t input_row, int step,
                                 const float* gradient, int count, float* sums,
                                 std::ptrdiff_t sums_step) {
  __m512 parts[R][K];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
    for (int k = 0; k < K; ++k) parts[r][k] = _mm512_loadu_ps(sums + (r * K + k) * sums_step);
  for (int x = 0; x < count; ++x) {
    const __m512 g = _mm512_load_ps(gradient + x * LANES);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
      for (int k = 0; k < K; ++k)
        parts[r][k] = _mm512_fmadd_ps(
            g, _mm512_load_ps(input + r * input_row + x * step + k * LANES), parts[r][k]);
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
    for (int k = 0; k < K; ++k) _mm512_storeu_ps(sums + (r * K + k) * sums_step, parts[r][k]);
}

inline void correlate_row(const DepthwiseShape& shape, const float* input, std::ptrdiff_t input_row,
                          const float* gradient, float* sums, std::ptrdiff_t sums_step) {
  const int step = shape.stride * LANES, count = shape.output_width;
  switch (shape.kernel) {
    case 3:
      return correlate<3, 3>(input, input_row, step, gradient, count, sums, sums_step);
    case 5:
      return correlate<5, 5>(input, input_row, step, gradient, count, sums, sums_step);
    case 7:
      correlate<4, 7>(input, input_row, step, gradient, count, sums, sums_step);
      return correlate<3, 7>(input + 4 * input_row, input_row, step, gradient, count,
                             sums + 28 * sums_step, sums_step);
    default:
      for (int r = 0; r < shape.kernel; ++r)
        for (int k = 0; k < shape.kernel; ++k)
          correlate<1, 1>(input + r * input_row + k * LANES, input_row, step, gradient, count,
                          sums + (r * shape.kernel + k) * sums_step, sums_step);
  }
}

}  // namespace
}  // namespace torch_shim::kernels
