// A map is a tensor [images, channels, height, width] in channels_last, f32 or bf16, and here how
// kernels see its memory; a vector has a number per channel, f32.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "kernels/kernels.h"

namespace torch_shim {

using at::Tensor;

// How kernels see the memory of a tensor; null where there is none.
template <class T>
T* memory(const Tensor& tensor) {
  return tensor.defined() ? static_cast<T*>(tensor.data_ptr()) : nullptr;
}

// Calls `f` with a number of the type that kernels have for maps of this type.
template <class F>
void for_storage(at::ScalarType type, F&& f) {
  if (type == at::kFloat) return f(float{});
  TORCH_CHECK(type == at::kBFloat16, "maps are f32 or bf16, not ", type);
  f(kernels::Bf16{});
}

inline Tensor nhwc(const Tensor& map) { return map.contiguous(at::MemoryFormat::ChannelsLast); }

// What a Function takes where a tensor may be undefined.
using MaybeTensor = std::optional<Tensor>;

inline MaybeTensor maybe(const Tensor& tensor) {
  return tensor.defined() ? MaybeTensor(tensor) : MaybeTensor();
}

inline Tensor vector_of(const MaybeTensor& values) {
  return values ? values->to(at::kFloat).contiguous() : Tensor();
}

inline Tensor empty_map(at::IntArrayRef sizes, const Tensor& like) {
  return at::empty(sizes, like.options().requires_grad(false), at::MemoryFormat::ChannelsLast);
}

inline kernels::Normalisation normalisation_of(const Tensor& scale, const Tensor& shift, double low,
                                               double high) {
  return {memory<float>(scale), memory<float>(shift), float(low), float(high)};
}

inline Tensor vector_from(const double* values, int64_t size) {
  Tensor vector = at::empty({size}, at::kFloat);
  std::copy(values, values + size, vector.data_ptr<float>());
  return vector;
}

// What a pointer that may be null points to.
inline Tensor optional(const Tensor* tensor) { return tensor == nullptr ? Tensor() : *tensor; }

// Whether the fast kernels take this map.
inline bool fast(const Tensor& map) { return map.is_cpu() && kernels::available(); }

}  // namespace torch_shim
