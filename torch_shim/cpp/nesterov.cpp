// A step of SGD with Nesterov's momentum, of all variables in a few operations: each is a start of a kernel on a GPU,
// and a network has a hundred variables.

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <vector>

#include "guarded.h"

namespace {

std::vector<at::Tensor> all_of(const at::Tensor* const* tensors, size_t count) {
  std::vector<at::Tensor> result;
  result.reserve(count);
  for (size_t i = 0; i < count; ++i) result.push_back(*tensors[i]);
  return result;
}

}  // namespace

extern "C" char* shim_nesterov(const at::Tensor* const* variables, const at::Tensor* const* velocities,
                               const at::Tensor* const* gradients, size_t count, double rate,
                               double momentum, double weight_decay) {
  return guarded([&] {
    if (count == 0) return;
    const at::NoGradGuard no_graph;
    const auto weights = all_of(variables, count), speeds = all_of(velocities, count);
    const auto directions = at::_foreach_mul(weights, weight_decay);
    at::_foreach_add_(directions, all_of(gradients, count));
    at::_foreach_mul_(speeds, momentum);
    at::_foreach_add_(speeds, directions);
    at::_foreach_add_(directions, speeds, momentum);
    at::_foreach_add_(weights, directions, -rate);
  });
}
