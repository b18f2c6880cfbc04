// libtorch's CUDA part, a library that programs do not need to start.

#include <ATen/Context.h>
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

extern "C" char* shim_compute_exactly() {
  return guarded([] {
    at::globalContext().setAllowTF32CuDNN(false);
    at::globalContext().setAllowTF32CuBLAS(false);
  });
}
