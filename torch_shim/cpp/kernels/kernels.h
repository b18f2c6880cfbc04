// The fast kernels: what one thread does to its share of a layer, on raw NHWC memory.
//
// Nothing here knows tensors or threads. These functions are compiled for AVX-512 with bf16 and may
// only be called where `available()` says so; everything else in the library is compiled for any
// x86-64. All arithmetic is in f32, whatever the storage is.
#pragma once

#include <cstddef>
#include <cstdint>

namespace torch_shim::kernels {

// Whether this processor runs these kernels.
bool available();

// A bf16 number as it lies in memory.
struct Bf16 {
  std::uint16_t bits;
};

// x -> clamp(scale * x + shift, low, high), per channel; the identity where `scale` is null.
struct Normalisation {
  const float* scale;
  const float* shift;
  float low;
  float high;
};

// A map that is normalised on its way in.
template <class T>
struct Input {
  const T* raw;
  Normalisation normalisation;
};

// What comes back to an output y of which the mean and the variance were taken as well:
// dL/dy = direct + offset + slope * y, per channel. `offset` null: direct alone.
template <class T>
struct OutputGradient {
  const T* direct;
  const T* output;
  const float* offset;
  const float* slope;
};

// Sums over the pixels of a thread's share, per channel.
// Forward: `first` of y, `second` of y * y. Backward: `first` of dL/dscale, `second` of dL/dshift.
struct Sums {
  double* first;
  double* second;
};

// Rows of what follows: pixels of all images, from `begin` to `end`.
struct Range {
  std::ptrdiff_t begin;
  std::ptrdiff_t end;
};

// ---- pointwise convolution: y[pixel, o] = sum_i weight[o, i] * x[pixel, i]

struct PointwiseShape {
  int inputs;
  int outputs;
};

// Floats that a packed weight takes; `columns` of the product's result, `depth` summed over.
template <class T>
std::size_t packed_weight_size(int depth, int columns);

// `weight` [outputs, inputs] for the forward product (columns are outputs) and for the gradient of
// the input (columns are inputs).
template <class T>
void pack_weight_forward(const float* weight, PointwiseShape shape, float* packed);
template <class T>
void pack_weight_backward(const float* weight, PointwiseShape shape, float* packed);

template <class T>
void pointwise_forward(Input<T> input, const float* packed, PointwiseShape shape, Range pixels,
                       T* output, Sums sums);

// Writes dL/draw where `input_gradient` is not null (with `sums` where the input is normalised),
// adds dL/dweight [outputs, inputs] where `weight_gradient` is not null.
template <class T>
void pointwise_backward(Input<T> input, OutputGradient<T> gradient, const float* packed,
                        PointwiseShape shape, Range pixels, T* input_gradient, Sums sums,
                        float* weight_gradient);

// ---- depthwise convolution: kernels of odd side, padded by half of it, strides of 1 and 2

struct DepthwiseShape {
  int images;
  int height, width, channels;
  int output_height, output_width;
  int kernel, stride, padding;
};

// Jobs that the layer divides into; a job is a slice of channels of an image.
std::ptrdiff_t depthwise_jobs(const DepthwiseShape& shape);

// Channels rounded up to whole vectors.
int padded_channels(int channels);

// `weight` [channels, kernel, kernel] -> [kernel * kernel, padded channels].
void pack_depthwise_weight(const float* weight, const DepthwiseShape& shape, float* packed);

template <class T>
void depthwise_forward(Input<T> input, const float* packed, const DepthwiseShape& shape, Range jobs,
                       T* output, Sums sums);

// As `pointwise_backward`; dL/dweight is [kernel * kernel, padded channels].
template <class T>
void depthwise_backward(Input<T> input, OutputGradient<T> gradient, const float* packed,
                        const DepthwiseShape& shape, Range jobs, T* input_gradient, Sums sums,
                        float* weight_gradient);

// ---- normalisation alone, with an optional summand: y = clamp(scale * x + shift) + residual

template <class T>
void normalise_forward(Input<T> input, const T* residual, int channels, Range pixels, T* output);

template <class T>
void normalise_backward(Input<T> input, const T* output_gradient, int channels, Range pixels,
                        T* input_gradient, Sums sums);

// ---- the inner product of two maps, over a range of their numbers

template <class T>
double inner_product(const T* a, const T* b, Range numbers);

// ---- patches of a 3 x 3 (or larger) window, for a convolution with few input channels

struct PatchShape {
  int height, width, channels;
  int output_height, output_width;
  int kernel, stride, padding;
};

// `image` NHWC f32 -> rows [pixel, kernel * kernel * channels], row by row of the window.
template <class T>
void gather_patches(const float* image, const PatchShape& shape, Range output_rows, T* patches);

}  // namespace torch_shim::kernels
