// A convolution kernel is a convolution at its place: shapes, and which of the fast kernels they
// mean.
#pragma once

#include "convolution.h"
#include "maps.h"
#include "shares.h"

namespace torch_shim {

// What a weight is packed for.
enum class Pass { Forward, Backward };

class ConvolutionKernel {
 public:
  ConvolutionKernel(const Tensor& input, const Tensor& weight, ConvolutionKind kind, int64_t stride)
      : kind_(kind),
        pointwise_{int(weight.size(1)), int(weight.size(0))},
        pixels_(input.size(0) * input.size(2) * input.size(3)) {
    const int kernel = int(weight.size(2)), padding = kernel / 2;
    const auto side = [&](int64_t size) { return int((size + 2 * padding - kernel) / stride) + 1; };
    depthwise_ = {int(input.size(0)),
                  int(input.size(2)),
                  int(input.size(3)),
                  int(input.size(1)),
                  side(input.size(2)),
                  side(input.size(3)),
                  kernel,
                  int(stride),
                  padding};
  }

  std::vector<int64_t> output_sizes() const {
    const auto& d = depthwise_;
    return {d.images, pointwise() ? pointwise_.outputs : d.channels, d.output_height,
            d.output_width};
  }

  int64_t jobs() const { return pointwise() ? pixels_ : kernels::depthwise_jobs(depthwise_); }

  // Pixels are dealt out in blocks, so that no thread has rows that do not fill one.
  template <class F>
  void share_jobs(int shares, const F& work) const {
    const int64_t block = pointwise() ? 48 : 1;
    share_out((jobs() + block - 1) / block, shares, [&](int64_t share, kernels::Range range) {
      work(share,
           kernels::Range{range.begin * block, std::min<int64_t>(range.end * block, jobs())});
    });
  }

  template <class T>
  Tensor pack(const Tensor& weight, Pass pass) const;

  template <class T>
  void forward(kernels::Input<T> input, const Tensor& packed, kernels::Range range, T* output,
               kernels::Sums sums) const {
    const float* weight = packed.data_ptr<float>();
    if (pointwise())
      return kernels::pointwise_forward<T>(input, weight, pointwise_, range, output, sums);
    kernels::depthwise_forward<T>(input, weight, depthwise_, range, output, sums);
  }

  template <class T>
  void backward(kernels::Input<T> input, kernels::OutputGradient<T> gradient, const Tensor& packed,
                kernels::Range range, T* input_gradient, kernels::Sums sums,
                float* weight_gradient) const {
    const float* weight = packed.data_ptr<float>();
    if (pointwise())
      return kernels::pointwise_backward<T>(input, gradient, weight, pointwise_, range,
                                            input_gradient, sums, weight_gradient);
    kernels::depthwise_backward<T>(input, gradient, weight, depthwise_, range, input_gradient, sums,
                                   weight_gradient);
  }

  // What threads sum dL/dweight in, and how it becomes the weight's shape.
  std::vector<int64_t> weight_sum_sizes() const {
    if (pointwise()) return {pointwise_.outputs, pointwise_.inputs};
    return {int64_t(depthwise_.kernel) * depthwise_.kernel,
            kernels::padded_channels(depthwise_.channels)};
  }

  Tensor weight_gradient(const Tensor& sums, const Tensor& weight) const {
    if (pointwise()) return sums.view(weight.sizes());
    return sums.narrow(1, 0, depthwise_.channels).t().contiguous().view(weight.sizes());
  }

 private:
  bool pointwise() const { return kind_ == ConvolutionKind::Pointwise; }

  ConvolutionKind kind_;
  kernels::PointwiseShape pointwise_;
  int64_t pixels_;
  kernels::DepthwiseShape depthwise_;
};

template <class T>
Tensor ConvolutionKernel::pack(const Tensor& weight, Pass pass) const {
  const Tensor from = weight.to(at::kFloat).contiguous();
  const float* numbers = from.data_ptr<float>();
  if (!pointwise()) {
    Tensor packed = at::empty(weight_sum_sizes(), at::kFloat);
    kernels::pack_depthwise_weight(numbers, depthwise_, packed.data_ptr<float>());
    return packed;
  }
  const auto [inputs, outputs] = pointwise_;
  const size_t size = pass == Pass::Backward ? kernels::packed_weight_size<T>(outputs, inputs)
                                             : kernels::packed_weight_size<T>(inputs, outputs);
  Tensor packed = at::empty({int64_t(size)}, at::kFloat);
  if (pass == Pass::Backward)
    kernels::pack_weight_backward<T>(numbers, pointwise_, packed.data_ptr<float>());
  else
    kernels::pack_weight_forward<T>(numbers, pointwise_, packed.data_ptr<float>());
  return packed;
}

}  // namespace torch_shim
