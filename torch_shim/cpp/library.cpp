// The libtorch that this program was built with and runs on.

#include <ATen/Version.h>
#include <torch/csrc/api/include/torch/version.h>

#include "guarded.h"

extern "C" const char* shim_libtorch_version() { return TORCH_VERSION; }

extern "C" char* shim_cpu_capability(char** output) {
  return guarded([&] { *output = strdup(at::get_cpu_capability().c_str()); });
}

// Frees what `strdup` gave, here and in guarded.h.
extern "C" void shim_free_text(char* text) { free(text); }
