// The inner product of two maps, of which each number is read once.
#include "simd.h"

namespace torch_shim::kernels {
namespace {

constexpr std::ptrdiff_t BLOCK = 4096;  // Numbers whose sum is in f32.
constexpr int CHAINS = 4;               // Sums that do not wait for each other.

}  // namespace

template <class T>
double inner_product(const T* a, const T* b, Range numbers) {
  double sum = 0.0;
  for (std::ptrdiff_t begin = numbers.begin; begin < numbers.end; begin += BLOCK) {
    const std::ptrdiff_t end = begin + BLOCK < numbers.end ? begin + BLOCK : numbers.end;
    __m512 parts[CHAINS];
    for (__m512& part : parts) part = _mm512_setzero_ps();
    std::ptrdiff_t at = begin;
    for (; at + CHAINS * LANES <= end; at += CHAINS * LANES) {
      for (int chain = 0; chain < CHAINS; ++chain) {
        const std::ptrdiff_t from = at + chain * LANES;
        parts[chain] = _mm512_fmadd_ps(load(a + from, __mmask16(0xffff)),
                                       load(b + from, __mmask16(0xffff)), parts[chain]);
      }
    }
    for (; at < end; at += LANES) {
      const __mmask16 mask = first_lanes(int(end - at));
      parts[0] = _mm512_fmadd_ps(load(a + at, mask), load(b + at, mask), parts[0]);
    }
    const __m512 pairs = _mm512_add_ps(_mm512_add_ps(parts[0], parts[1]),
                                       _mm512_add_ps(parts[2], parts[3]));
    sum += _mm512_reduce_add_ps(pairs);
  }
  return sum;
}

template double inner_product<float>(const float*, const float*, Range);
template double inner_product<Bf16>(const Bf16*, const Bf16*, Range);

}  // namespace torch_shim::kernels
