// Autocast to bf16 on a kind of device, of the calling thread.

#include <ATen/autocast_mode.h>

#include "guarded.h"

namespace {

at::DeviceType kind_of(bool on_gpu) { return on_gpu ? at::kCUDA : at::kCPU; }

}  // namespace

extern "C" char* shim_autocast_enter(bool on_gpu, bool* was_enabled, int* dtype_before) {
  return guarded([&] {
    const at::DeviceType kind = kind_of(on_gpu);
    *was_enabled = at::autocast::is_autocast_enabled(kind);
    *dtype_before = static_cast<int>(at::autocast::get_autocast_dtype(kind));
    at::autocast::set_autocast_enabled(kind, true);
    at::autocast::set_autocast_dtype(kind, at::kBFloat16);
    at::autocast::increment_nesting();
  });
}

extern "C" char* shim_autocast_leave(bool on_gpu, bool was_enabled, int dtype_before) {
  return guarded([&] {
    const at::DeviceType kind = kind_of(on_gpu);
    // Weights that were cast are kept for the outermost scope and no longer.
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(kind, was_enabled);
    at::autocast::set_autocast_dtype(kind, static_cast<at::ScalarType>(dtype_before));
  });
}
