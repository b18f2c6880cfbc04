// A count of the bytes that tensors hold. libtorch's CPU allocator reports each allocation to the
// memory profiler of its thread, which the engine of autograd hands on to its own threads.

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include "guarded.h"

namespace {

class Counter : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, int64_t bytes, size_t, size_t, c10::Device) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    current_ += bytes;
    peak_ = std::max(peak_, current_);
  }

  bool memoryProfilingEnabled() const override { return true; }

  int64_t current() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return current_;
  }

  int64_t peak() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return peak_;
  }

  void reset_peak() {
    const std::lock_guard<std::mutex> lock(mutex_);
    peak_ = current_;
  }

 private:
  std::mutex mutex_;
  int64_t current_ = 0;
  int64_t peak_ = 0;
};

}  // namespace

struct Allocations {
  std::shared_ptr<Counter> counter = std::make_shared<Counter>();
  c10::DebugInfoGuard guard{c10::DebugInfoKind::PROFILER_STATE, counter};
};

extern "C" char* shim_allocations_count(Allocations** output) {
  return guarded([&] { *output = new Allocations(); });
}

extern "C" int64_t shim_allocations_current(Allocations* self) { return self->counter->current(); }

extern "C" int64_t shim_allocations_peak(Allocations* self) { return self->counter->peak(); }

extern "C" void shim_allocations_reset_peak(Allocations* self) { self->counter->reset_peak(); }

extern "C" void shim_allocations_stop(Allocations* self) { delete self; }
