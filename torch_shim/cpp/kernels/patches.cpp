// Patches: what a dense convolution sees of an image, as the rows of a product.
#include "simd.h"

namespace torch_shim::kernels {

template <class T>
void gather_patches(const float* image, const PatchShape& shape, Range output_rows, T* patches) {
  const int span = shape.kernel * shape.channels, size = shape.kernel * span;
  const Scratch row(size + LANES);
  for (std::ptrdiff_t r = output_rows.begin; r < output_rows.end; ++r) {
    const std::ptrdiff_t n = r / shape.output_height;
    const int top = int(r % shape.output_height) * shape.stride - shape.padding;
    for (int x = 0; x < shape.output_width; ++x) {
      const int left = x * shape.stride - shape.padding;
      for (int i = 0; i < shape.kernel; ++i)
        for (int j = 0; j < shape.kernel; ++j)
          for (int c = 0; c < shape.channels; ++c) {
            const int y = top + i, at = left + j;
            const bool inside = y >= 0 && y < shape.height && at >= 0 && at < shape.width;
            const std::ptrdiff_t pixel = (n * shape.height + y) * shape.width + at;
            row.data()[i * span + j * shape.channels + c] =
                inside ? image[pixel * shape.channels + c] : 0;
          }
      T* to = patches + (r * shape.output_width + x) * size;
      for (int k = 0; k < size; k += LANES) {
        const __mmask16 mask = first_lanes(size - k);
        store(to + k, load(row.data() + k, mask), mask);
      }
    }
  }
}

template void gather_patches<float>(const float*, const PatchShape&, Range, float*);
template void gather_patches<Bf16>(const float*, const PatchShape&, Range, Bf16*);

}  // namespace torch_shim::kernels
