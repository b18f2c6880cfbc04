#include "patches.h"

#include "guarded.h"
#include "maps.h"
#include "shares.h"

namespace torch_shim {

Tensor patches(const Tensor& image, int64_t kernel, int64_t stride, at::ScalarType type) {
  TORCH_CHECK(image.dim() == 4, "an image batch has 4 dimensions, not ", image.dim());
  const int64_t padding = kernel / 2, channels = image.size(1);
  const auto side = [&](int64_t size) { return (size + 2 * padding - kernel) / stride + 1; };
  const int64_t height = side(image.size(2)), width = side(image.size(3));
  const at::NoGradGuard no_gradient;
  if (!fast(image)) {
    const Tensor columns = at::im2col(image.to(at::kFloat), {kernel, kernel}, {1, 1},
                                      {padding, padding}, {stride, stride});
    const Tensor by_pixel =
        columns.view({image.size(0), channels, kernel * kernel, height, width}).transpose(1, 2);
    return nhwc(
        by_pixel.reshape({image.size(0), kernel * kernel * channels, height, width}).to(type));
  }
  const Tensor from = nhwc(image.to(at::kFloat));
  const Tensor to = at::empty({image.size(0), kernel * kernel * channels, height, width},
                              from.options().dtype(type), at::MemoryFormat::ChannelsLast);
  const kernels::PatchShape shape{int(image.size(2)), int(image.size(3)), int(channels),
                                  int(height),        int(width),         int(kernel),
                                  int(stride),        int(padding)};
  for_storage(type, [&](auto element) {
    using T = decltype(element);
    const int64_t rows = image.size(0) * height;
    share_out(rows, shares_of(rows), [&](int64_t, kernels::Range range) {
      kernels::gather_patches<T>(memory<float>(from), shape, range, memory<T>(to));
    });
  });
  return to;
}

}  // namespace torch_shim

extern "C" char* shim_patches(const at::Tensor* image, int64_t kernel, int64_t stride, int type,
                              at::Tensor** output) {
  return guarded([&] {
    *output = new at::Tensor(torch_shim::patches(*image, kernel, stride, at::ScalarType(type)));
  });
}

extern "C" bool shim_fast_kernels() { return torch_shim::kernels::available(); }
