// Vectors of sixteen f32 over f32 or bf16 memory.
//
// Everything is in an anonymous namespace: each file of kernels has its own copy, so that the
// linker cannot hand AVX-512 code to a file that is compiled for any x86-64.
#pragma once

#include <immintrin.h>

#include <cstdlib>

#include "kernels.h"

namespace torch_shim::kernels {
namespace {

#define TORCH_SHIM_INLINE [[gnu::always_inline]] inline

constexpr int LANES = 16;

TORCH_SHIM_INLINE __mmask16 first_lanes(int count) {
  return count >= LANES ? __mmask16(0xffff) : __mmask16((1u << count) - 1);
}

TORCH_SHIM_INLINE __m512 load(const float* from, __mmask16 mask) {
  return _mm512_maskz_loadu_ps(mask, from);
}

TORCH_SHIM_INLINE __m512 load(const Bf16* from, __mmask16 mask) {
  const __m256i bits = _mm256_maskz_loadu_epi16(mask, from);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

TORCH_SHIM_INLINE void store(float* to, __m512 value, __mmask16 mask) {
  _mm512_mask_storeu_ps(to, mask, value);
}

TORCH_SHIM_INLINE __m256i to_bf16(__m512 value) { return (__m256i)_mm512_cvtneps_pbh(value); }

TORCH_SHIM_INLINE void store(Bf16* to, __m512 value, __mmask16 mask) {
  _mm256_mask_storeu_epi16(to, mask, to_bf16(value));
}

// A normalisation's numbers for sixteen channels.
struct NormalisationVector {
  __m512 scale, shift, low, high;

  TORCH_SHIM_INLINE NormalisationVector(const Normalisation& from, int channel, __mmask16 mask)
      : scale(load(from.scale + channel, mask)),
        shift(load(from.shift + channel, mask)),
        low(_mm512_set1_ps(from.low)),
        high(_mm512_set1_ps(from.high)) {}

  TORCH_SHIM_INLINE __m512 affine(__m512 x) const { return _mm512_fmadd_ps(x, scale, shift); }

  // In this order of operands what is not a number stays so.
  TORCH_SHIM_INLINE __m512 apply(__m512 x) const {
    return _mm512_min_ps(high, _mm512_max_ps(low, affine(x)));
  }

  // Where a gradient passes: not where the clamp holds, its bounds included.
  TORCH_SHIM_INLINE __mmask16 inside(__m512 x) const {
    const __m512 value = affine(x);
    return _mm512_cmp_ps_mask(value, low, _CMP_GT_OQ) & _mm512_cmp_ps_mask(value, high, _CMP_LT_OQ);
  }
};

// Sums over pixels of dL/dscale and dL/dshift for sixteen channels.
struct NormalisationGradient {
  __m512 scale, shift;

  // Takes dL/d(normalised x), gives dL/dx.
  TORCH_SHIM_INLINE __m512 pass(const NormalisationVector& norm, __m512 x, __m512 gradient) {
    const __m512 passing = _mm512_maskz_mov_ps(norm.inside(x), gradient);
    scale = _mm512_fmadd_ps(passing, x, scale);
    shift = _mm512_add_ps(passing, shift);
    return _mm512_mul_ps(passing, norm.scale);
  }
};

// Memory of a call, aligned to cache lines.
class Scratch {
 public:
  explicit Scratch(std::size_t floats)
      : data_(
            static_cast<float*>(std::aligned_alloc(64, (floats * sizeof(float) + 127) / 64 * 64))) {
    if (data_ == nullptr) std::abort();
  }
  ~Scratch() { std::free(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  float* data() const { return data_; }
  void clear(std::size_t floats) const { __builtin_memset(data_, 0, floats * sizeof(float)); }

 private:
  float* data_;
};

TORCH_SHIM_INLINE int round_up(int value, int multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Adds whole vectors of f32 sums to `count` f64 ones and clears them.
inline void flush(float* from, double* to, int count) {
  for (int i = 0; i < count; i += LANES / 2) {
    const __mmask8 mask = __mmask8(first_lanes(count - i));
    const __m512d sum = _mm512_maskz_loadu_pd(mask, to + i);
    _mm512_mask_storeu_pd(to + i, mask,
                          _mm512_add_pd(sum, _mm512_cvtps_pd(_mm256_load_ps(from + i))));
    _mm256_store_ps(from + i, _mm256_setzero_ps());
  }
}

}  // namespace
}  // namespace torch_shim::kernels
