// A share is what one thread does of a layer. The division depends on the number of threads alone,
// and what threads sum is added in their order: the same sums whenever it runs.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "kernels/kernels.h"

namespace torch_shim {

// Two sums per channel for each share.
class Partials {
 public:
  Partials(int shares, int64_t channels) : channels_(channels), data_(2 * shares * channels, 0.0) {}

  kernels::Sums of(int64_t share) {
    double* start = data_.data() + 2 * share * channels_;
    return {start, start + channels_};
  }

  std::vector<double> total() const {
    std::vector<double> sums(data_.begin(), data_.begin() + 2 * channels_);
    for (size_t i = sums.size(); i < data_.size(); ++i) sums[i % sums.size()] += data_[i];
    return sums;
  }

 private:
  int64_t channels_;
  std::vector<double> data_;
};

// How many shares so many jobs make.
inline int shares_of(int64_t jobs) {
  return int(std::max<int64_t>(1, std::min<int64_t>(at::get_num_threads(), jobs)));
}

// Calls `work(share, range)` for each share of the jobs.
template <class F>
void share_out(int64_t jobs, int shares, const F& work) {
  at::parallel_for(0, shares, 1, [&](int64_t begin, int64_t end) {
    for (int64_t share = begin; share < end; ++share)
      work(share, kernels::Range{share * jobs / shares, (share + 1) * jobs / shares});
  });
}

}  // namespace torch_shim
