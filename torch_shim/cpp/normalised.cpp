#include "normalised.h"

#include "guarded.h"
#include "maps.h"
#include "shares.h"

namespace torch_shim {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

class Materialise : public Function<Materialise> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& raw_in, const Tensor& scale_in,
                        const Tensor& shift_in, const MaybeTensor& residual_in, double low,
                        double high) {
    const Tensor raw = nhwc(raw_in), scale = vector_of(scale_in), shift = vector_of(shift_in);
    const Tensor residual = residual_in ? nhwc(residual_in->to(raw.scalar_type())) : Tensor();
    const Tensor output = empty_map(raw.sizes(), raw);
    const int64_t channels = raw.size(1), pixels = raw.numel() / channels;
    for_storage(raw.scalar_type(), [&](auto element) {
      using T = decltype(element);
      const kernels::Input<T> input{memory<T>(raw), normalisation_of(scale, shift, low, high)};
      share_out(pixels, shares_of(pixels), [&](int64_t, kernels::Range range) {
        kernels::normalise_forward<T>(input, memory<T>(residual), int(channels), range,
                                      memory<T>(output));
      });
    });
    ctx->save_for_backward({raw, scale, shift});
    ctx->saved_data["residual"] = residual.defined();
    ctx->saved_data["low"] = low;
    ctx->saved_data["high"] = high;
    return output;
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const Tensor &raw = saved[0], &scale = saved[1], &shift = saved[2];
    const double low = ctx->saved_data["low"].toDouble(), high = ctx->saved_data["high"].toDouble();
    const Tensor gradient = nhwc(gradients[0].to(raw.scalar_type()));
    variable_list result(6);
    if (ctx->saved_data["residual"].toBool()) result[3] = gradient;
    result[0] = empty_map(raw.sizes(), raw);
    const int64_t channels = raw.size(1), pixels = raw.numel() / channels;
    const int shares = shares_of(pixels);
    Partials partials(shares, channels);
    for_storage(raw.scalar_type(), [&](auto element) {
      using T = decltype(element);
      const kernels::Input<T> input{memory<T>(raw), normalisation_of(scale, shift, low, high)};
      share_out(pixels, shares, [&](int64_t share, kernels::Range range) {
        kernels::normalise_backward<T>(input, memory<T>(gradient), int(channels), range,
                                       memory<T>(result[0]), partials.of(share));
      });
    });
    const std::vector<double> sums = partials.total();
    result[1] = vector_from(sums.data(), channels);
    result[2] = vector_from(sums.data() + channels, channels);
    return result;
  }
};

void check(const Normalised& input, const Tensor& residual) {
  TORCH_CHECK(input.raw.dim() == 4, "a map has 4 dimensions, not ", input.raw.dim());
  TORCH_CHECK(input.scale.defined() == input.shift.defined(),
              "a normalisation has a scale and a shift, or neither");
  if (input.scale.defined()) {
    const int64_t channels = input.raw.size(1);
    TORCH_CHECK(input.scale.numel() == channels && input.shift.numel() == channels,
                "a normalisation of ", input.scale.numel(), " channels on a map of ", channels);
  }
  TORCH_CHECK(!residual.defined() || residual.sizes() == input.raw.sizes(), "a residual of ",
              residual.sizes(), " on a map of ", input.raw.sizes());
}

}  // namespace

Tensor materialise_portably(const Normalised& input, const Tensor& residual) {
  Tensor map = input.raw;
  if (input.scale.defined()) {
    const auto along_channels = [](const Tensor& vector) { return vector.view({1, -1, 1, 1}); };
    map = at::clamp(map.to(at::kFloat) * along_channels(input.scale) + along_channels(input.shift),
                    input.low, input.high);
  }
  map = map.to(input.raw.scalar_type());
  return residual.defined() ? map + residual.to(map.scalar_type()) : map;
}

Tensor materialise(const Normalised& input, const Tensor& residual) {
  check(input, residual);
  if (!input.scale.defined()) return residual.defined() ? input.raw + residual : input.raw;
  if (!fast(input.raw)) return materialise_portably(input, residual);
  return Materialise::apply(input.raw, input.scale, input.shift, maybe(residual), input.low,
                            input.high);
}

Normalised normalised(const NormalisedParts& parts) {
  return {*parts.raw, optional(parts.scale), optional(parts.shift), parts.low, parts.high};
}

}  // namespace torch_shim

extern "C" char* shim_materialise(const torch_shim::NormalisedParts* input,
                                  const at::Tensor* residual, at::Tensor** output) {
  return guarded([&] {
    *output =
        new at::Tensor(torch_shim::materialise(normalised(*input), torch_shim::optional(residual)));
  });
}
