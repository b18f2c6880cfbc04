#include "convolution.h"

#include "convolution_kernel.h"
#include "guarded.h"
#include "maps.h"
#include "shares.h"

namespace torch_shim {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

class NormalisedConvolution : public Function<NormalisedConvolution> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& raw_in,
                               const MaybeTensor& scale_in, const MaybeTensor& shift_in,
                               const Tensor& weight, double low, double high, int64_t kind,
                               int64_t stride) {
    const Tensor raw = nhwc(raw_in), scale = vector_of(scale_in), shift = vector_of(shift_in);
    const ConvolutionKernel convolution(raw, weight, ConvolutionKind(kind), stride);
    const Tensor output = empty_map(convolution.output_sizes(), raw);
    const int64_t channels = output.size(1), pixels = output.numel() / channels;
    const int shares = shares_of(convolution.jobs());
    Partials partials(shares, channels);
    for_storage(raw.scalar_type(), [&](auto element) {
      using T = decltype(element);
      const Tensor packed = convolution.pack<T>(weight, Pass::Forward);
      const kernels::Input<T> input{memory<T>(raw), normalisation_of(scale, shift, low, high)};
      convolution.share_jobs(shares, [&](int64_t share, kernels::Range range) {
        convolution.forward<T>(input, packed, range, memory<T>(output), partials.of(share));
      });
    });
    std::vector<double> sums = partials.total();
    for (int64_t c = 0; c < channels; ++c) {
      sums[c] /= double(pixels);
      sums[channels + c] = std::max(0.0, sums[channels + c] / double(pixels) - sums[c] * sums[c]);
    }
    const Tensor mean = vector_from(sums.data(), channels),
                 variance = vector_from(sums.data() + channels, channels);
    ctx->save_for_backward({raw, scale, shift, weight, output, mean});
    ctx->saved_data["low"] = low;
    ctx->saved_data["high"] = high;
    ctx->saved_data["kind"] = kind;
    ctx->saved_data["stride"] = stride;
    ctx->set_materialize_grads(false);
    return {output, mean, variance};
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const Tensor &raw = saved[0], &scale = saved[1], &shift = saved[2], &weight = saved[3],
                 &output = saved[4], &mean = saved[5];
    const double low = ctx->saved_data["low"].toDouble(), high = ctx->saved_data["high"].toDouble();
    const ConvolutionKernel convolution(raw, weight,
                                        ConvolutionKind(ctx->saved_data["kind"].toInt()),
                                        ctx->saved_data["stride"].toInt());
    const Tensor direct = gradients[0].defined() ? nhwc(gradients[0].to(output.scalar_type()))
                                                 : at::zeros_like(output);
    const auto [offset, slope] = moment_gradients(gradients[1], gradients[2], mean, output);
    // Edges are counted over the tensors that are there.
    const bool wants_input =
        ctx->needs_input_grad(0) ||
        (scale.defined() && (ctx->needs_input_grad(1) || ctx->needs_input_grad(2)));
    const bool wants_weight = ctx->needs_input_grad(scale.defined() ? 3 : 1);
    const Tensor input_gradient = wants_input ? empty_map(raw.sizes(), raw) : Tensor();
    const int shares = shares_of(convolution.jobs());
    std::vector<int64_t> sum_sizes = convolution.weight_sum_sizes();
    sum_sizes.insert(sum_sizes.begin(), shares);
    const Tensor weight_sums = wants_weight ? at::zeros(sum_sizes, at::kFloat) : Tensor();
    const int64_t channels = raw.size(1);
    Partials partials(shares, channels);
    for_storage(raw.scalar_type(), [&](auto element) {
      using T = decltype(element);
      const Tensor packed = convolution.pack<T>(weight, Pass::Backward);
      const kernels::Input<T> input{memory<T>(raw), normalisation_of(scale, shift, low, high)};
      const kernels::OutputGradient<T> gradient{memory<T>(direct), memory<T>(output),
                                                memory<float>(offset), memory<float>(slope)};
      convolution.share_jobs(shares, [&](int64_t share, kernels::Range range) {
        float* sums = weight_sums.defined()
                          ? weight_sums.data_ptr<float>() + share * weight_sums.stride(0)
                          : nullptr;
        convolution.backward<T>(input, gradient, packed, range, memory<T>(input_gradient),
                                partials.of(share), sums);
      });
    });
    variable_list result(8);
    result[0] = input_gradient;
    if (scale.defined() && wants_input) {
      const std::vector<double> sums = partials.total();
      result[1] = vector_from(sums.data(), channels);
      result[2] = vector_from(sums.data() + channels, channels);
    }
    if (weight_sums.defined())
      result[3] =
          convolution.weight_gradient(shares == 1 ? weight_sums[0] : weight_sums.sum(0), weight);
    return result;
  }

 private:
  // d mean / dy = 1 / n and d variance / dy = 2 (y - mean) / n, as offset + slope * y.
  static std::pair<Tensor, Tensor> moment_gradients(const Tensor& of_mean,
                                                    const Tensor& of_variance, const Tensor& mean,
                                                    const Tensor& output) {
    if (!of_mean.defined() && !of_variance.defined()) return {};
    const double pixels = double(output.numel() / output.size(1));
    const Tensor slope =
        of_variance.defined() ? of_variance * (2.0 / pixels) : at::zeros_like(mean);
    Tensor offset = -slope * mean;
    if (of_mean.defined()) offset += of_mean / pixels;
    return {offset.contiguous(), slope.contiguous()};
  }
};

void check(const Normalised& input, const Tensor& weight, ConvolutionKind kind, int64_t stride) {
  TORCH_CHECK(input.raw.dim() == 4, "a map has 4 dimensions, not ", input.raw.dim());
  TORCH_CHECK(weight.dim() == 4, "a convolution's weight has 4 dimensions, not ", weight.dim());
  TORCH_CHECK(input.scale.defined() == input.shift.defined(),
              "a normalisation has a scale and a shift, or neither");
  const int64_t channels = input.raw.size(1), kernel = weight.size(2);
  if (input.scale.defined())
    TORCH_CHECK(input.scale.numel() == channels && input.shift.numel() == channels,
                "a normalisation of ", input.scale.numel(), " channels on a map of ", channels);
  TORCH_CHECK(kernel == weight.size(3) && kernel % 2 == 1 && kernel <= 15,
              "kernels are squares of odd side up to 15, not ", kernel, "x", weight.size(3));
  TORCH_CHECK(input.raw.numel() > 0, "a map without pixels");
  if (kind == ConvolutionKind::Pointwise) {
    TORCH_CHECK(kernel == 1 && stride == 1,
                "a pointwise convolution has kernel 1 and stride 1, not ", kernel, " and ", stride);
    TORCH_CHECK(weight.size(1) == channels, "a weight of ", weight.size(1), " inputs on a map of ",
                channels, " channels");
  } else {
    TORCH_CHECK(stride == 1 || stride == 2, "a depthwise convolution has stride 1 or 2, not ",
                stride);
    TORCH_CHECK(weight.size(0) == channels && weight.size(1) == 1, "a depthwise weight of ",
                weight.size(0), "x", weight.size(1), " on a map of ", channels, " channels");
  }
}

}  // namespace

WithMoments convolve_portably(const Normalised& input, const Tensor& weight, ConvolutionKind kind,
                              int64_t stride) {
  const Tensor map = materialise_portably(input, Tensor());
  const int64_t padding = weight.size(2) / 2,
                groups = kind == ConvolutionKind::Depthwise ? weight.size(0) : 1;
  const Tensor output =
      at::conv2d(map, weight.to(map.scalar_type()), {}, stride, padding, 1, groups);
  const auto [variance, mean] =
      at::var_mean(output.to(at::kFloat), at::IntArrayRef{0, 2, 3}, false);
  return {output, mean, variance};
}

WithMoments convolve(const Normalised& input, const Tensor& weight, ConvolutionKind kind,
                     int64_t stride) {
  check(input, weight, kind, stride);
  if (!fast(input.raw)) return convolve_portably(input, weight, kind, stride);
  variable_list outputs =
      NormalisedConvolution::apply(input.raw, maybe(input.scale), maybe(input.shift), weight,
                                   input.low, input.high, int64_t(kind), stride);
  return {outputs[0], outputs[1], outputs[2]};
}

}  // namespace torch_shim

namespace {

using Convolve = torch_shim::WithMoments(const torch_shim::Normalised&, const at::Tensor&,
                                         torch_shim::ConvolutionKind, int64_t);

char* convolve_by(Convolve* convolve, const torch_shim::NormalisedParts& input,
                  const at::Tensor* weight, int kind, int64_t stride, at::Tensor** outputs) {
  return guarded([&] {
    const auto result =
        convolve(normalised(input), *weight, torch_shim::ConvolutionKind(kind), stride);
    outputs[0] = new at::Tensor(result.map);
    outputs[1] = new at::Tensor(result.mean);
    outputs[2] = new at::Tensor(result.variance);
  });
}

}  // namespace

extern "C" char* shim_convolve(const torch_shim::NormalisedParts* input, const at::Tensor* weight,
                               int kind, int64_t stride, at::Tensor** outputs) {
  return convolve_by(torch_shim::convolve, *input, weight, kind, stride, outputs);
}

extern "C" char* shim_convolve_portably(const torch_shim::NormalisedParts* input,
                                        const at::Tensor* weight, int kind, int64_t stride,
                                        at::Tensor** outputs) {
  return convolve_by(torch_shim::convolve_portably, *input, weight, kind, stride, outputs);
}
