// The order in which a tensor's numbers lie in memory.

#include <ATen/core/Tensor.h>

#include "guarded.h"

extern "C" char* shim_channels_last(const at::Tensor* input, at::Tensor** output) {
  return guarded(
      [&] { *output = new at::Tensor(input->contiguous(at::MemoryFormat::ChannelsLast)); });
}

extern "C" char* shim_is_channels_last(const at::Tensor* input, bool* answer) {
  return guarded([&] { *answer = input->is_contiguous(at::MemoryFormat::ChannelsLast); });
}
