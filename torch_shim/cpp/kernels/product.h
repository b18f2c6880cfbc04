// Matrix products of f32 or bf16 with f32 sums, on operands in units of 32 bits.
//
// A unit is one f32, or two bf16 that follow one another in the direction that is summed over, as
// VDPBF16PS wants them. The left operand is read a unit at a time, with any strides; the right one
// sixteen columns at a time. What happens to a finished tile is up to the caller's `Epilogue`:
// `template <int R, int V> void apply(int row, int column, __m512 (&tile)[R][V])`.
#pragma once

#include "simd.h"

namespace torch_shim::kernels {
namespace {

// How many numbers a unit of 32 bits holds.
template <class T>
constexpr int PER_UNIT = sizeof(float) / sizeof(T);

template <class T>
TORCH_SHIM_INLINE int units(int depth) {
  return (depth + PER_UNIT<T> - 1) / PER_UNIT<T>;
}

template <class T>
TORCH_SHIM_INLINE __m512 multiply_add(__m512 left, __m512 right, __m512 sum);

template <>
TORCH_SHIM_INLINE __m512 multiply_add<float>(__m512 left, __m512 right, __m512 sum) {
  return _mm512_fmadd_ps(left, right, sum);
}

template <>
TORCH_SHIM_INLINE __m512 multiply_add<Bf16>(__m512 left, __m512 right, __m512 sum) {
  return _mm512_dpbf16_ps(sum, (__m512bh)left, (__m512bh)right);
}

// The left operand: unit `k` of row `r` is at `data[r * row + k * depth]`.
struct Left {
  const float* data;
  std::ptrdiff_t row;
  std::ptrdiff_t depth;
};

// The right operand's columns of a panel: unit `k` of column `c` is at `data[k * depth + c]`.
struct Right {
  const float* data;
  std::ptrdiff_t depth;
};

// Columns are dealt out to panels of at most four vectors, as evenly as possible.
struct Panels {
  int vectors;
  int count;

  TORCH_SHIM_INLINE explicit Panels(int columns)
      : vectors((columns + LANES - 1) / LANES), count((vectors + 3) / 4) {}
  // First vector of a panel.
  TORCH_SHIM_INLINE int begin(int panel) const { return panel * vectors / count; }
};

template <class T, int R, int V, class Epilogue>
TORCH_SHIM_INLINE void tile(Left left, Right right, int depth, int row, int column,
                            Epilogue& epilogue) {
  __m512 sums[R][V];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sums[r][v] = _mm512_setzero_ps();
  const float* from = left.data + row * left.row;
  const float* to = right.data;
  for (int k = 0; k < depth; ++k, from += left.depth, to += right.depth) {
    __m512 columns[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) columns[v] = _mm512_loadu_ps(to + v * LANES);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const __m512 unit = _mm512_set1_ps(from[r * left.row]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sums[r][v] = multiply_add<T>(unit, columns[v], sums[r][v]);
    }
  }
  epilogue.template apply<R, V>(row, column, sums);
}

template <class T, int V, class Epilogue>
[[gnu::noinline]] void panel(Left left, Right right, int depth, int rows, int column,
                             Epilogue& epilogue) {
  constexpr int R = V == 4 ? 6 : V == 3 ? 8 : 12;
  int row = 0;
  for (; row + R <= rows; row += R) tile<T, R, V>(left, right, depth, row, column, epilogue);
  for (; row + 4 <= rows; row += 4) tile<T, 4, V>(left, right, depth, row, column, epilogue);
  for (; row < rows; ++row) tile<T, 1, V>(left, right, depth, row, column, epilogue);
}

template <class T, class Epilogue>
void panel_of(int vectors, Left left, Right right, int depth, int rows, int column,
              Epilogue& epilogue) {
  switch (vectors) {
    case 1:
      return panel<T, 1>(left, right, depth, rows, column, epilogue);
    case 2:
      return panel<T, 2>(left, right, depth, rows, column, epilogue);
    case 3:
      return panel<T, 3>(left, right, depth, rows, column, epilogue);
    default:
      return panel<T, 4>(left, right, depth, rows, column, epilogue);
  }
}

// Product with a weight that lies panel by panel.
template <class T, class Epilogue>
void product_with_packed(Left left, const float* packed, int depth, int rows, int columns,
                         Epilogue& epilogue) {
  const Panels panels(columns);
  for (int p = 0; p < panels.count; ++p) {
    const int begin = panels.begin(p), vectors = panels.begin(p + 1) - begin;
    const Right right{packed + std::ptrdiff_t(begin) * LANES * depth, vectors * LANES};
    panel_of<T>(vectors, left, right, depth, rows, begin * LANES, epilogue);
  }
}

// Product with rows of whole vectors.
template <class T, class Epilogue>
void product_with_rows(Left left, const float* right, int depth, int rows, int columns,
                       Epilogue& epilogue) {
  const Panels panels(columns);
  for (int p = 0; p < panels.count; ++p) {
    const int begin = panels.begin(p), vectors = panels.begin(p + 1) - begin;
    const Right slice{right + begin * LANES, panels.vectors * LANES};
    panel_of<T>(vectors, left, slice, depth, rows, begin * LANES, epilogue);
  }
}

}  // namespace
}  // namespace torch_shim::kernels
