// The normalisation of a map that has to exist: at the end of a block, with its shortcut.
#include "simd.h"

namespace torch_shim::kernels {
namespace {

constexpr std::ptrdiff_t BLOCK = 64;  // Pixels whose sums are in f32.

}  // namespace

template <class T>
void normalise_forward(Input<T> input, const T* residual, int channels, Range pixels, T* output) {
  for (std::ptrdiff_t begin = pixels.begin; begin < pixels.end; begin += BLOCK) {
    const std::ptrdiff_t end = begin + BLOCK < pixels.end ? begin + BLOCK : pixels.end;
    for (int c = 0; c < channels; c += LANES) {
      const __mmask16 mask = first_lanes(channels - c);
      const NormalisationVector norm(input.normalisation, c, mask);
      for (std::ptrdiff_t at = begin * channels + c; at < end * channels; at += channels) {
        __m512 y = norm.apply(load(input.raw + at, mask));
        if (residual != nullptr) y = _mm512_add_ps(y, load(residual + at, mask));
        store(output + at, y, mask);
      }
    }
  }
}

template <class T>
void normalise_backward(Input<T> input, const T* output_gradient, int channels, Range pixels,
                        T* input_gradient, Sums sums) {
  const int width = round_up(channels, LANES);
  const Scratch parts(2 * width);
  parts.clear(2 * width);
  for (std::ptrdiff_t begin = pixels.begin; begin < pixels.end; begin += BLOCK) {
    const std::ptrdiff_t end = begin + BLOCK < pixels.end ? begin + BLOCK : pixels.end;
    for (int c = 0; c < channels; c += LANES) {
      const __mmask16 mask = first_lanes(channels - c);
      const NormalisationVector norm(input.normalisation, c, mask);
      NormalisationGradient sums_of_block{_mm512_setzero_ps(), _mm512_setzero_ps()};
      for (std::ptrdiff_t at = begin * channels + c; at < end * channels; at += channels) {
        const __m512 gradient = load(output_gradient + at, mask);
        store(input_gradient + at, sums_of_block.pass(norm, load(input.raw + at, mask), gradient),
              mask);
      }
      _mm512_store_ps(parts.data() + c, sums_of_block.scale);
      _mm512_store_ps(parts.data() + width + c, sums_of_block.shift);
    }
    flush(parts.data(), sums.first, channels);
    flush(parts.data() + width, sums.second, channels);
  }
}

#define INSTANTIATE(T)                                                    \
  template void normalise_forward<T>(Input<T>, const T*, int, Range, T*); \
  template void normalise_backward<T>(Input<T>, const T*, int, Range, T*, Sums);
INSTANTIATE(float)
INSTANTIATE(Bf16)

}  // namespace torch_shim::kernels
