// Patches are what a dense convolution sees of an image: a map of k * k * C channels, row by row of
// the window, the image's channels last. The convolution is a pointwise one of these.
#pragma once

#include <ATen/core/Tensor.h>

namespace torch_shim {

// Patches of an image [N, C, H, W] with padding k / 2, in f32 or bf16. Has no gradient.
at::Tensor patches(const at::Tensor& image, int64_t kernel, int64_t stride, at::ScalarType type);

}  // namespace torch_shim
