// Rows are pixels of a map as the operands of a product want them: normalised, padded with zeros to
// whole vectors, in units of 32 bits along or across the pixels.
#pragma once

#include "product.h"

namespace torch_shim::kernels {
namespace {

// Numbers from one row of scratch to the next: whole vectors of units, so that tails are zeros.
template <class T>
int row_stride(int channels) {
  return round_up(channels, LANES * PER_UNIT<T>);
}

TORCH_SHIM_INLINE __m512i lane_numbers() {
  return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

template <class T>
TORCH_SHIM_INLINE __m512 to_units(__m512 first, __m512 second) {
  if constexpr (PER_UNIT<T> == 1) {
    return first;
  } else {
    const __m512i low = _mm512_cvtepu16_epi32(to_bf16(first));
    const __m512i high = _mm512_slli_epi32(_mm512_cvtepu16_epi32(to_bf16(second)), 16);
    return _mm512_castsi512_ps(_mm512_or_si512(low, high));
  }
}

// Number (k, c) of the matrix is at `weight[k * depth_step + c * column_step]`.
template <class T>
void pack(const float* weight, int depth, int columns, int depth_step, int column_step,
          float* packed) {
  const Panels panels(columns);
  const __m512i offsets = _mm512_mullo_epi32(lane_numbers(), _mm512_set1_epi32(column_step));
  const auto row = [&](int k, int column) {
    const __mmask16 mask = k < depth ? first_lanes(columns - column) : __mmask16(0);
    const float* from =
        weight + std::ptrdiff_t(k) * depth_step + std::ptrdiff_t(column) * column_step;
    return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), mask, offsets, from, sizeof(float));
  };
  for (int p = 0; p < panels.count; ++p)
    for (int unit = 0; unit < units<T>(depth); ++unit)
      for (int v = panels.begin(p); v < panels.begin(p + 1); ++v, packed += LANES) {
        const int k = unit * PER_UNIT<T>, column = v * LANES;
        _mm512_store_ps(packed, to_units<T>(row(k, column), row(k + PER_UNIT<T> - 1, column)));
      }
}

// Normalised pixels, tails of rows filled with zeros.
template <class T>
void read_rows(const Input<T>& input, int channels, std::ptrdiff_t begin, int rows, T* to) {
  const int stride = row_stride<T>(channels);
  for (int c = 0; c < stride; c += LANES) {
    const __mmask16 mask = first_lanes(c < channels ? channels - c : 0);
    const T* from = input.raw + begin * channels + c;
    if (input.normalisation.scale == nullptr || mask == 0) {
      for (int r = 0; r < rows; ++r)
        store(to + r * stride + c, load(from + std::ptrdiff_t(r) * channels, mask), 0xffff);
    } else {
      const NormalisationVector norm(input.normalisation, c, mask);
      for (int r = 0; r < rows; ++r) {
        const __m512 x = norm.apply(load(from + std::ptrdiff_t(r) * channels, mask));
        store(to + r * stride + c, _mm512_maskz_mov_ps(mask, x), 0xffff);
      }
    }
  }
}

// dL/dy of some pixels, tails of rows filled with zeros.
template <class T>
void read_gradient(const OutputGradient<T>& gradient, int channels, std::ptrdiff_t begin, int rows,
                   T* to) {
  const int stride = row_stride<T>(channels);
  for (int c = 0; c < stride; c += LANES) {
    const __mmask16 mask = first_lanes(c < channels ? channels - c : 0);
    const std::ptrdiff_t start = begin * channels + c;
    if (gradient.offset == nullptr || mask == 0) {
      for (int r = 0; r < rows; ++r)
        store(to + r * stride + c,
              load(gradient.direct + start + std::ptrdiff_t(r) * channels, mask), 0xffff);
      continue;
    }
    const __m512 offset = load(gradient.offset + c, mask), slope = load(gradient.slope + c, mask);
    for (int r = 0; r < rows; ++r) {
      const std::ptrdiff_t at = start + std::ptrdiff_t(r) * channels;
      const __m512 moments = _mm512_fmadd_ps(slope, load(gradient.output + at, mask), offset);
      store(to + r * stride + c, _mm512_add_ps(load(gradient.direct + at, mask), moments), 0xffff);
    }
  }
}

// Rows of numbers -> rows of units that run across the rows: row m has the numbers of rows m *
// PER_UNIT ...
template <class T>
void units_across(const T* rows_in, int rows, int channels, float* to) {
  const int from_stride = row_stride<T>(channels), to_stride = round_up(channels, LANES);
  for (int r = 0; r < rows; r += PER_UNIT<T>)
    for (int c = 0; c < to_stride; c += LANES) {
      const T* from = rows_in + r * from_stride + c;
      float* target = to + r / PER_UNIT<T> * to_stride + c;
      if constexpr (PER_UNIT<T> == 1) {
        _mm512_store_ps(target, load(from, 0xffff));
      } else {
        const __m512i first = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)from));
        const __mmask16 more = r + 1 < rows ? 0xffff : 0;
        const __m512i second =
            _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(more, from + from_stride));
        _mm512_store_si512(target, _mm512_or_si512(first, _mm512_slli_epi32(second, 16)));
      }
    }
}

}  // namespace
}  // namespace torch_shim::kernels
