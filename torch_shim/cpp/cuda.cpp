// libtorch's CUDA part, a library that programs do not need to start.

#include <dlfcn.h>

#include <stdexcept>

#include "guarded.h"

extern "C" char* shim_open_cuda() {
  return guarded([] {
    if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr) {
      throw std::runtime_error(dlerror());
    }
  });
}
