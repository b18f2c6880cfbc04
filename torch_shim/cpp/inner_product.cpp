#include "guarded.h"
#include "maps.h"
#include "shares.h"

namespace torch_shim {
namespace {

double inner_product(const Tensor& a_in, const Tensor& b_in) {
  TORCH_CHECK(a_in.sizes() == b_in.sizes(), "an inner product of ", a_in.sizes(), " with ",
              b_in.sizes());
  const at::NoGradGuard no_graph;
  const bool is_half = a_in.scalar_type() == at::kBFloat16 && b_in.scalar_type() == at::kBFloat16;
  const at::ScalarType type = is_half ? at::kBFloat16 : at::kFloat;
  const at::MemoryFormat format = a_in.suggest_memory_format();
  const Tensor a = a_in.to(type).contiguous(format), b = b_in.to(type).contiguous(format);
  if (!fast(a)) {
    return at::sum(a.to(at::kFloat) * b.to(at::kFloat), at::kDouble).item<double>();
  }
  const int64_t numbers = a.numel();
  const int shares = shares_of(numbers);
  std::vector<double> sums(shares, 0.0);
  for_storage(type, [&](auto element) {
    using T = decltype(element);
    share_out(numbers, shares, [&](int64_t share, kernels::Range range) {
      sums[share] = kernels::inner_product<T>(memory<T>(a), memory<T>(b), range);
    });
  });
  double total = 0.0;
  for (const double sum : sums) total += sum;
  return total;
}

}  // namespace
}  // namespace torch_shim

extern "C" char* shim_inner_product(const at::Tensor* a, const at::Tensor* b, double* output) {
  return guarded([&] { *output = torch_shim::inner_product(*a, *b); });
}
