// A plane is sixteen channels of a map, spread out in f32 with the padding around it, so that what
// reads it has neither edges nor conversions.
#pragma once

#include "simd.h"

namespace torch_shim::kernels {
namespace {

struct Plane {
  float* data;
  int first_row;     // The map's row that is the plane's first.
  int first_column;  // The map's column that is the plane's first.
  int width;

  float* at(int row, int column) const {
    return data + (std::ptrdiff_t(row - first_row) * width + (column - first_column)) * LANES;
  }
};

TORCH_SHIM_INLINE int floor_div(int a, int b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }
TORCH_SHIM_INLINE int ceil_div(int a, int b) { return -floor_div(-a, b); }
TORCH_SHIM_INLINE int min(int a, int b) { return a < b ? a : b; }
TORCH_SHIM_INLINE int max(int a, int b) { return a > b ? a : b; }

// Fills rows [begin, end) of the plane with what `read(row, column)` gives, zeros outside the map.
template <class Read>
TORCH_SHIM_INLINE void spread(const Plane& plane, int begin, int end, int height, int width,
                              Read read) {
  const int left = min(max(-plane.first_column, 0), plane.width);
  const int right = min(width - plane.first_column, plane.width);
  for (int row = begin; row < end; ++row) {
    float* to = plane.at(row, plane.first_column);
    if (row < 0 || row >= height) {
      __builtin_memset(to, 0, sizeof(float) * LANES * plane.width);
      continue;
    }
    for (int x = 0; x < left; ++x) _mm512_store_ps(to + x * LANES, _mm512_setzero_ps());
    for (int x = left; x < right; ++x)
      _mm512_store_ps(to + x * LANES, read(row, x + plane.first_column));
    for (int x = max(right, left); x < plane.width; ++x)
      _mm512_store_ps(to + x * LANES, _mm512_setzero_ps());
  }
}

}  // namespace
}  // namespace torch_shim::kernels
