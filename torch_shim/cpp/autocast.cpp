// Autocast to bf16 on the CPU, of the calling thread.

#include <ATen/autocast_mode.h>

#include "guarded.h"

extern "C" char* shim_autocast_enter(bool* was_enabled, int* dtype_before) {
  return guarded([&] {
    *was_enabled = at::autocast::is_autocast_enabled(at::kCPU);
    *dtype_before = static_cast<int>(at::autocast::get_autocast_dtype(at::kCPU));
    at::autocast::set_autocast_enabled(at::kCPU, true);
    at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
    at::autocast::increment_nesting();
  });
}

extern "C" char* shim_autocast_leave(bool was_enabled, int dtype_before) {
  return guarded([&] {
    // Weights that were cast are kept for the outermost scope and no longer.
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(at::kCPU, was_enabled);
    at::autocast::set_autocast_dtype(at::kCPU, static_cast<at::ScalarType>(dtype_before));
  });
}
