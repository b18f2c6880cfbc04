#include "fused.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <limits>
#include <vector>

#include "kernels/kernels.h"

namespace torch_shim {
namespace {

using at::Tensor;
using kernels::Bf16;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// How kernels see the memory of a tensor.
template <class T>
T* memory(const Tensor& tensor) {
    return tensor.defined() ? static_cast<T*>(tensor.data_ptr()) : nullptr;
}

template <class F>
void for_storage(at::ScalarType type, F&& f) {
    if (type == at::kFloat) return f(float{});
    TORCH_CHECK(type == at::kBFloat16, "maps are f32 or bf16, not ", type);
    f(Bf16{});
}

Tensor nhwc(const Tensor& map) { return map.contiguous(at::MemoryFormat::ChannelsLast); }

// What a Function takes where a tensor may be undefined.
using MaybeTensor = std::optional<Tensor>;

MaybeTensor maybe(const Tensor& tensor) { return tensor.defined() ? MaybeTensor(tensor) : MaybeTensor(); }

Tensor vector_of(const MaybeTensor& values) { return values ? values->to(at::kFloat).contiguous() : Tensor(); }

Tensor empty_map(at::IntArrayRef sizes, const Tensor& like) {
    return at::empty(sizes, like.options().requires_grad(false), at::MemoryFormat::ChannelsLast);
}

// The sums of each thread, added in the order of the threads: the same sums whenever it runs.
class Partials {
  public:
    Partials(int chunks, int64_t channels) : channels_(channels), data_(2 * chunks * channels, 0.0) {}

    kernels::Sums of(int64_t chunk) {
        double* start = data_.data() + 2 * chunk * channels_;
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

Tensor vector_from(const double* values, int64_t size) {
    Tensor vector = at::empty({size}, at::kFloat);
    std::copy(values, values + size, vector.data_ptr<float>());
    return vector;
}

int chunks_of(int64_t jobs) { return int(std::max<int64_t>(1, std::min<int64_t>(at::get_num_threads(), jobs))); }

// Calls `work(chunk, range)` for each thread's share of `jobs`.
template <class F>
void share(int64_t jobs, int chunks, const F& work) {
    at::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
        for (int64_t chunk = begin; chunk < end; ++chunk)
            work(chunk, kernels::Range{chunk * jobs / chunks, (chunk + 1) * jobs / chunks});
    });
}

kernels::Normalisation normalisation_of(const Tensor& scale, const Tensor& shift, double low, double high) {
    return {memory<float>(scale), memory<float>(shift), float(low), float(high)};
}

// One of the two kinds of convolution at a place: what kernels need besides memory.
class Convolution {
  public:
    Convolution(const Tensor& input, const Tensor& weight, ConvolutionKind kind, int64_t stride)
        : kind_(kind), pointwise_{int(weight.size(1)), int(weight.size(0))}, pixels_(input.size(0) * input.size(2) * input.size(3)) {
        const int kernel = int(weight.size(2)), padding = kernel / 2;
        const auto side = [&](int64_t size) { return int((size + 2 * padding - kernel) / stride) + 1; };
        depthwise_ = {int(input.size(0)), int(input.size(2)), int(input.size(3)), int(input.size(1)),
                      side(input.size(2)), side(input.size(3)), kernel, int(stride), padding};
    }

    std::vector<int64_t> output_sizes() const {
        const auto& d = depthwise_;
        return {d.images, pointwise() ? pointwise_.outputs : d.channels, d.output_height, d.output_width};
    }

    int64_t jobs() const { return pointwise() ? pixels_ : kernels::depthwise_jobs(depthwise_); }

    // Pixels are dealt out in blocks, so that no thread has rows that do not fill one.
    template <class T, class F>
    void share_jobs(int chunks, const F& work) const {
        const int64_t block = pointwise() ? 48 : 1;
        share((jobs() + block - 1) / block, chunks, [&](int64_t chunk, kernels::Range range) {
            work(chunk, kernels::Range{range.begin * block, std::min<int64_t>(range.end * block, jobs())});
        });
    }

    template <class T>
    Tensor pack(const Tensor& weight, bool for_gradient) const;

    template <class T>
    void forward(kernels::Input<T> input, const Tensor& packed, kernels::Range range, T* output, kernels::Sums sums) const {
        const float* weight = packed.data_ptr<float>();
        if (pointwise()) return kernels::pointwise_forward<T>(input, weight, pointwise_, range, output, sums);
        kernels::depthwise_forward<T>(input, weight, depthwise_, range, output, sums);
    }

    template <class T>
    void backward(kernels::Input<T> input, kernels::OutputGradient<T> gradient, const Tensor& packed,
                  kernels::Range range, T* input_gradient, kernels::Sums sums, float* weight_gradient) const {
        const float* weight = packed.data_ptr<float>();
        if (pointwise())
            return kernels::pointwise_backward<T>(input, gradient, weight, pointwise_, range, input_gradient, sums, weight_gradient);
        kernels::depthwise_backward<T>(input, gradient, weight, depthwise_, range, input_gradient, sums, weight_gradient);
    }

    // What threads sum dL/dweight in, and how it becomes the weight's shape.
    std::vector<int64_t> weight_sum_sizes() const {
        if (pointwise()) return {pointwise_.outputs, pointwise_.inputs};
        return {int64_t(depthwise_.kernel) * depthwise_.kernel, kernels::padded_channels(depthwise_.channels)};
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
Tensor Convolution::pack(const Tensor& weight, bool for_gradient) const {
    const Tensor from = weight.to(at::kFloat).contiguous();
    const float* numbers = from.data_ptr<float>();
    if (!pointwise()) {
        Tensor packed = at::empty(weight_sum_sizes(), at::kFloat);
        kernels::pack_depthwise_weight(numbers, depthwise_, packed.data_ptr<float>());
        return packed;
    }
    const auto [inputs, outputs] = pointwise_;
    const size_t size = for_gradient ? kernels::packed_weight_size<T>(outputs, inputs) : kernels::packed_weight_size<T>(inputs, outputs);
    Tensor packed = at::empty({int64_t(size)}, at::kFloat);
    if (for_gradient)
        kernels::pack_weight_backward<T>(numbers, pointwise_, packed.data_ptr<float>());
    else
        kernels::pack_weight_forward<T>(numbers, pointwise_, packed.data_ptr<float>());
    return packed;
}

class NormalisedConvolution : public Function<NormalisedConvolution> {
  public:
    static variable_list forward(AutogradContext* ctx, const Tensor& raw_in, const MaybeTensor& scale_in, const MaybeTensor& shift_in,
                                 const Tensor& weight, double low, double high, int64_t kind, int64_t stride) {
        const Tensor raw = nhwc(raw_in), scale = vector_of(scale_in), shift = vector_of(shift_in);
        const Convolution convolution(raw, weight, ConvolutionKind(kind), stride);
        const Tensor output = empty_map(convolution.output_sizes(), raw);
        const int64_t channels = output.size(1), pixels = output.numel() / channels;
        const int chunks = chunks_of(convolution.jobs());
        Partials partials(chunks, channels);
        for_storage(raw.scalar_type(), [&](auto element) {
            using T = decltype(element);
            const Tensor packed = convolution.pack<T>(weight, false);
            const kernels::Input<T> input{memory<T>(raw), normalisation_of(scale, shift, low, high)};
            convolution.share_jobs<T>(chunks, [&](int64_t chunk, kernels::Range range) {
                convolution.forward<T>(input, packed, range, memory<T>(output), partials.of(chunk));
            });
        });
        std::vector<double> sums = partials.total();
        for (int64_t c = 0; c < channels; ++c) {
            sums[c] /= double(pixels);
            sums[channels + c] = std::max(0.0, sums[channels + c] / double(pixels) - sums[c] * sums[c]);
        }
        const Tensor mean = vector_from(sums.data(), channels), variance = vector_from(sums.data() + channels, channels);
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
        const Tensor &raw = saved[0], &scale = saved[1], &shift = saved[2], &weight = saved[3], &output = saved[4], &mean = saved[5];
        const double low = ctx->saved_data["low"].toDouble(), high = ctx->saved_data["high"].toDouble();
        const Convolution convolution(raw, weight, ConvolutionKind(ctx->saved_data["kind"].toInt()), ctx->saved_data["stride"].toInt());
        const Tensor direct = gradients[0].defined() ? nhwc(gradients[0].to(output.scalar_type())) : at::zeros_like(output);
        const auto [offset, slope] = moment_gradients(gradients[1], gradients[2], mean, output);
        // Edges are counted over the tensors that are there.
        const bool wants_input = ctx->needs_input_grad(0) || (scale.defined() && (ctx->needs_input_grad(1) || ctx->needs_input_grad(2)));
        const bool wants_weight = ctx->needs_input_grad(scale.defined() ? 3 : 1);
        const Tensor input_gradient = wants_input ? empty_map(raw.sizes(), raw) : Tensor();
        const int chunks = chunks_of(convolution.jobs());
        std::vector<int64_t> sum_sizes = convolution.weight_sum_sizes();
        sum_sizes.insert(sum_sizes.begin(), chunks);
        const Tensor weight_sums = wants_weight ? at::zeros(sum_sizes, at::kFloat) : Tensor();
        const int64_t channels = raw.size(1);
        Partials partials(chunks, channels);
        for_storage(raw.scalar_type(), [&](auto element) {
            using T = decltype(element);
            const Tensor packed = convolution.pack<T>(weight, true);
            const kernels::Input<T> input{memory<T>(raw), normalisation_of(scale, shift, low, high)};
            const kernels::OutputGradient<T> gradient{memory<T>(direct), memory<T>(output), memory<float>(offset), memory<float>(slope)};
            convolution.share_jobs<T>(chunks, [&](int64_t chunk, kernels::Range range) {
                float* sums = weight_sums.defined() ? weight_sums.data_ptr<float>() + chunk * weight_sums.stride(0) : nullptr;
                convolution.backward<T>(input, gradient, packed, range, memory<T>(input_gradient), partials.of(chunk), sums);
            });
        });
        variable_list result(8);
        result[0] = input_gradient;
        if (scale.defined() && wants_input) {
            const std::vector<double> sums = partials.total();
            result[1] = vector_from(sums.data(), channels);
            result[2] = vector_from(sums.data() + channels, channels);
        }
        if (weight_sums.defined()) result[3] = convolution.weight_gradient(chunks == 1 ? weight_sums[0] : weight_sums.sum(0), weight);
        return result;
    }

  private:
    // d mean / dy = 1 / n and d variance / dy = 2 (y - mean) / n, as offset + slope * y.
    static std::pair<Tensor, Tensor> moment_gradients(const Tensor& of_mean, const Tensor& of_variance, const Tensor& mean,
                                                      const Tensor& output) {
        if (!of_mean.defined() && !of_variance.defined()) return {};
        const double pixels = double(output.numel() / output.size(1));
        const Tensor slope = of_variance.defined() ? of_variance * (2.0 / pixels) : at::zeros_like(mean);
        Tensor offset = -slope * mean;
        if (of_mean.defined()) offset += of_mean / pixels;
        return {offset.contiguous(), slope.contiguous()};
    }
};

class Materialise : public Function<Materialise> {
  public:
    static Tensor forward(AutogradContext* ctx, const Tensor& raw_in, const Tensor& scale_in, const Tensor& shift_in,
                          const MaybeTensor& residual_in, double low, double high) {
        const Tensor raw = nhwc(raw_in), scale = vector_of(scale_in), shift = vector_of(shift_in);
        const Tensor residual = residual_in ? nhwc(residual_in->to(raw.scalar_type())) : Tensor();
        const Tensor output = empty_map(raw.sizes(), raw);
        const int64_t channels = raw.size(1), pixels = raw.numel() / channels;
        for_storage(raw.scalar_type(), [&](auto element) {
            using T = decltype(element);
            const kernels::Input<T> input{memory<T>(raw), normalisation_of(scale, shift, low, high)};
            share(pixels, chunks_of(pixels), [&](int64_t, kernels::Range range) {
                kernels::normalise_forward<T>(input, memory<T>(residual), int(channels), range, memory<T>(output));
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
        const int chunks = chunks_of(pixels);
        Partials partials(chunks, channels);
        for_storage(raw.scalar_type(), [&](auto element) {
            using T = decltype(element);
            const kernels::Input<T> input{memory<T>(raw), normalisation_of(scale, shift, low, high)};
            share(pixels, chunks, [&](int64_t chunk, kernels::Range range) {
                kernels::normalise_backward<T>(input, memory<T>(gradient), int(channels), range, memory<T>(result[0]), partials.of(chunk));
            });
        });
        const std::vector<double> sums = partials.total();
        result[1] = vector_from(sums.data(), channels);
        result[2] = vector_from(sums.data() + channels, channels);
        return result;
    }
};

// The same on ATen's kernels.

Tensor materialise_portably(const Normalised& input, const Tensor& residual) {
    Tensor map = input.raw;
    if (input.scale.defined()) {
        const auto along_channels = [](const Tensor& vector) { return vector.view({1, -1, 1, 1}); };
        map = at::clamp(map.to(at::kFloat) * along_channels(input.scale) + along_channels(input.shift), input.low, input.high);
    }
    map = map.to(input.raw.scalar_type());
    return residual.defined() ? map + residual.to(map.scalar_type()) : map;
}

WithMoments convolve_portably(const Normalised& input, const Tensor& weight, ConvolutionKind kind, int64_t stride) {
    const Tensor map = materialise_portably(input, Tensor());
    const int64_t padding = weight.size(2) / 2, groups = kind == ConvolutionKind::Depthwise ? weight.size(0) : 1;
    const Tensor output = at::conv2d(map, weight.to(map.scalar_type()), {}, stride, padding, 1, groups);
    const auto [variance, mean] = at::var_mean(output.to(at::kFloat), at::IntArrayRef{0, 2, 3}, false);
    return {output, mean, variance};
}

void check(const Normalised& input, const Tensor& weight, ConvolutionKind kind, int64_t stride) {
    TORCH_CHECK(input.raw.dim() == 4, "a map has 4 dimensions, not ", input.raw.dim());
    TORCH_CHECK(weight.dim() == 4, "a convolution's weight has 4 dimensions, not ", weight.dim());
    TORCH_CHECK(input.scale.defined() == input.shift.defined(), "a normalisation has a scale and a shift, or neither");
    const int64_t channels = input.raw.size(1), kernel = weight.size(2);
    if (input.scale.defined())
        TORCH_CHECK(input.scale.numel() == channels && input.shift.numel() == channels, "a normalisation of ", input.scale.numel(),
                    " channels on a map of ", channels);
    TORCH_CHECK(kernel == weight.size(3) && kernel % 2 == 1 && kernel <= 15, "kernels are squares of odd side up to 15, not ",
                kernel, "x", weight.size(3));
    TORCH_CHECK(input.raw.numel() > 0, "a map without pixels");
    if (kind == ConvolutionKind::Pointwise) {
        TORCH_CHECK(kernel == 1 && stride == 1, "a pointwise convolution has kernel 1 and stride 1, not ", kernel, " and ", stride);
        TORCH_CHECK(weight.size(1) == channels, "a weight of ", weight.size(1), " inputs on a map of ", channels, " channels");
    } else {
        TORCH_CHECK(stride == 1 || stride == 2, "a depthwise convolution has stride 1 or 2, not ", stride);
        TORCH_CHECK(weight.size(0) == channels && weight.size(1) == 1, "a depthwise weight of ", weight.size(0), "x", weight.size(1),
                    " on a map of ", channels, " channels");
    }
}

bool fast(const Tensor& map) { return map.is_cpu() && kernels::available(); }

}  // namespace

bool fused_kernels_available() { return kernels::available(); }

WithMoments convolve(const Normalised& input, const Tensor& weight, ConvolutionKind kind, int64_t stride) {
    check(input, weight, kind, stride);
    if (!fast(input.raw)) return convolve_portably(input, weight, kind, stride);
    variable_list outputs = NormalisedConvolution::apply(input.raw, maybe(input.scale), maybe(input.shift), weight, input.low, input.high, int64_t(kind), stride);
    return {outputs[0], outputs[1], outputs[2]};
}

Tensor materialise(const Normalised& input, const Tensor& residual) {
    if (!input.scale.defined()) return residual.defined() ? input.raw + residual : input.raw;
    if (!fast(input.raw)) return materialise_portably(input, residual);
    return Materialise::apply(input.raw, input.scale, input.shift, maybe(residual), input.low, input.high);
}

Tensor patches(const Tensor& image, int64_t kernel, int64_t stride, at::ScalarType type) {
    TORCH_CHECK(image.dim() == 4, "an image batch has 4 dimensions, not ", image.dim());
    const int64_t padding = kernel / 2, channels = image.size(1);
    const auto side = [&](int64_t size) { return (size + 2 * padding - kernel) / stride + 1; };
    const int64_t height = side(image.size(2)), width = side(image.size(3));
    const at::NoGradGuard no_gradient;
    if (!fast(image)) {
        const Tensor columns = at::im2col(image.to(at::kFloat), {kernel, kernel}, {1, 1}, {padding, padding}, {stride, stride});
        const Tensor by_pixel = columns.view({image.size(0), channels, kernel * kernel, height, width}).transpose(1, 2);
        return nhwc(by_pixel.reshape({image.size(0), kernel * kernel * channels, height, width}).to(type));
    }
    const Tensor from = nhwc(image.to(at::kFloat));
    const Tensor to = at::empty({image.size(0), kernel * kernel * channels, height, width}, from.options().dtype(type), at::MemoryFormat::ChannelsLast);
    const kernels::PatchShape shape{int(image.size(2)), int(image.size(3)), int(channels), int(height), int(width), int(kernel), int(stride), int(padding)};
    for_storage(type, [&](auto element) {
        using T = decltype(element);
        const int64_t rows = image.size(0) * height;
        share(rows, chunks_of(rows), [&](int64_t, kernels::Range range) {
            kernels::gather_patches<T>(memory<float>(from), shape, range, memory<T>(to));
        });
    });
    return to;
}

}  // namespace torch_shim
