// A normalised map is one whose normalisation is still to be done, by who reads it: a convolution,
// on the way in, or `materialise`. Between two convolutions of a block one map is stored and not
// three.
#pragma once

#include <ATen/core/Tensor.h>

namespace torch_shim {

// clamp(scale * raw + shift, low, high) per channel; `raw` alone where scale and shift are
// undefined. `raw` is [N, C, H, W], f32 or bf16; scale and shift are [C].
struct Normalised {
  at::Tensor raw;
  at::Tensor scale;
  at::Tensor shift;
  double low;
  double high;
};

// The same as pointers, of which scale and shift may be null: how it comes from Rust.
struct NormalisedParts {
  const at::Tensor* raw;
  const at::Tensor* scale;
  const at::Tensor* shift;
  double low;
  double high;
};

Normalised normalised(const NormalisedParts& parts);

// The map itself, plus `residual` where it is defined. Differentiable.
at::Tensor materialise(const Normalised& input, const at::Tensor& residual);

// The same on ATen's kernels, for any device and processor.
at::Tensor materialise_portably(const Normalised& input, const at::Tensor& residual);

}  // namespace torch_shim
