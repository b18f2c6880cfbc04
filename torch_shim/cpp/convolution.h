// A convolution that normalises its input on the way in and takes the moments of its output on the
// way out. A batch normalisation in training is then arithmetic on vectors of channels: it makes
// the moments of one convolution the scale and shift of the next.
#pragma once

#include <ATen/core/Tensor.h>

#include "normalised.h"

namespace torch_shim {

enum class ConvolutionKind { Pointwise, Depthwise };

// A map with each channel's mean and (biased) variance over its pixels, f32.
struct WithMoments {
  at::Tensor map;
  at::Tensor mean;
  at::Tensor variance;
};

// `weight` is [outputs, inputs, 1, 1], or [channels, 1, k, k] with k odd, padding k / 2 and stride
// 1 or 2. It is f32, as its gradient; the pointwise products of bf16 maps are of bf16 numbers, the
// sums are f32. Differentiable in everything.
WithMoments convolve(const Normalised& input, const at::Tensor& weight, ConvolutionKind kind,
                     int64_t stride);

// The same on ATen's kernels, for any device and processor.
WithMoments convolve_portably(const Normalised& input, const at::Tensor& weight,
                              ConvolutionKind kind, int64_t stride);

}  // namespace torch_shim
