// Convolutions that normalise their input on the way in and take the moments of their output on the
// way out, so that between two convolutions of a block one map is stored and not three.
//
// A batch normalisation in training is then arithmetic on vectors of channels: it turns the moments of
// one convolution into the scale and shift of the next. All of it is differentiable.
#pragma once

#include <ATen/ATen.h>

namespace torch_shim {

// clamp(scale * raw + shift, low, high) per channel; `raw` alone where scale and shift are undefined.
// `raw` is [N, C, H, W] in channels_last, f32 or bf16; scale and shift are [C], f32.
struct Normalised {
    at::Tensor raw;
    at::Tensor scale;
    at::Tensor shift;
    double low;
    double high;
};

// A map with each channel's mean and (biased) variance over its pixels, f32.
struct WithMoments {
    at::Tensor map;
    at::Tensor mean;
    at::Tensor variance;
};

enum class ConvolutionKind { Pointwise, Depthwise };

// Whether this processor has the fast kernels; elsewhere the same functions run on ATen's.
bool fused_kernels_available();

// `weight` is [outputs, inputs, 1, 1], or [channels, 1, k, k] with k odd, padding k / 2 and stride 1
// or 2. It is f32; products of bf16 maps are of bf16 numbers with f32 sums, and the weight's gradient
// is f32.
WithMoments convolve(const Normalised& input, const at::Tensor& weight, ConvolutionKind kind, int64_t stride);

// Patches of an f32 image as a map of k * k * C channels (row by row of the window, C last) in
// `type`: a dense convolution is a pointwise one of these. Has no gradient.
at::Tensor patches(const at::Tensor& image, int64_t kernel, int64_t stride, at::ScalarType type);

// The map itself, plus `residual` where it is defined.
at::Tensor materialise(const Normalised& input, const at::Tensor& residual);

}  // namespace torch_shim
