// Depthwise convolutions, sixteen channels of a strip of rows at a time.
#include "plane.h"
#include "taps.h"

namespace torch_shim::kernels {
namespace {

constexpr int SLICE = 2 * LANES;  // Channels of a job: in bf16 a cache line.
constexpr int STRIP_FLOATS = 16384;

template <class T>
struct StoreWithMoments {
  T* row;
  int channels;
  __mmask16 mask;
  __m512 sum, squares;

  template <int N>
  TORCH_SHIM_INLINE void apply(int first, __m512 (&values)[N]) {
#pragma GCC unroll 16
    for (int n = 0; n < N; ++n) {
      store(row + std::ptrdiff_t(first + n) * channels, values[n], mask);
      sum = _mm512_add_ps(sum, values[n]);
      squares = _mm512_fmadd_ps(values[n], values[n], squares);
    }
  }
};

template <class T>
struct StoreGradient {
  T* row;
  int step;
  __mmask16 mask;

  template <int N>
  TORCH_SHIM_INLINE void apply(int first, __m512 (&values)[N]) {
#pragma GCC unroll 16
    for (int n = 0; n < N; ++n) store(row + std::ptrdiff_t(first + n) * step, values[n], mask);
  }
};

template <class T>
struct StoreNormalisedGradient {
  const T* raw;
  T* row;
  int step;
  __mmask16 mask;
  NormalisationVector norm;
  NormalisationGradient sums;

  template <int N>
  TORCH_SHIM_INLINE void apply(int first, __m512 (&values)[N]) {
#pragma GCC unroll 16
    for (int n = 0; n < N; ++n) {
      const std::ptrdiff_t at = std::ptrdiff_t(first + n) * step;
      store(row + at, sums.pass(norm, load(raw + at, mask), values[n]), mask);
    }
  }
};

TORCH_SHIM_INLINE void add_to(double* to, __m512 values, int count) {
  alignas(64) float numbers[LANES];
  _mm512_store_ps(numbers, values);
  for (int i = 0; i < min(count, LANES); ++i) to[i] += numbers[i];
}

// Asks for the pixel below: slices of channels are too far apart for the processor to guess.
template <class T>
TORCH_SHIM_INLINE const T* ahead(const T* pixel, std::ptrdiff_t row) {
  _mm_prefetch(reinterpret_cast<const char*>(pixel + row), _MM_HINT_T0);
  return pixel;
}

// Sixteen channels of an image.
struct Slice {
  int image, channel;
  __mmask16 mask;
};

// Calls `each` for the slices of a job.
template <class Each>
TORCH_SHIM_INLINE void for_slices(const DepthwiseShape& shape, std::ptrdiff_t job, Each each) {
  const int groups = (shape.channels + SLICE - 1) / SLICE;
  const int first = int(job % groups) * SLICE;
  for (int c = first; c < min(first + SLICE, shape.channels); c += LANES)
    each(Slice{int(job / groups), c, first_lanes(shape.channels - c)});
}

template <class T>
TORCH_SHIM_INLINE void spread_input(const Input<T>& input, const DepthwiseShape& shape,
                                    const Slice& slice, const Plane& plane, int begin, int end) {
  const T* image = input.raw +
                   std::ptrdiff_t(slice.image) * shape.height * shape.width * shape.channels +
                   slice.channel;
  const std::ptrdiff_t row_size = std::ptrdiff_t(shape.width) * shape.channels;
  const auto pixel = [&](int row, int column) {
    return load(ahead(image + row * row_size + std::ptrdiff_t(column) * shape.channels, row_size),
                slice.mask);
  };
  if (input.normalisation.scale == nullptr) {
    spread(plane, begin, end, shape.height, shape.width, pixel);
  } else {
    const NormalisationVector norm(input.normalisation, slice.channel, slice.mask);
    spread(plane, begin, end, shape.height, shape.width,
           [&](int row, int column) { return norm.apply(pixel(row, column)); });
  }
}

template <class T>
TORCH_SHIM_INLINE void spread_gradient(const OutputGradient<T>& gradient,
                                       const DepthwiseShape& shape, const Slice& slice,
                                       const Plane& plane, int begin, int end) {
  const std::ptrdiff_t image =
      std::ptrdiff_t(slice.image) * shape.output_height * shape.output_width * shape.channels +
      slice.channel;
  const std::ptrdiff_t row_size = std::ptrdiff_t(shape.output_width) * shape.channels;
  const auto at = [&](int row, int column) {
    return image + (std::ptrdiff_t(row) * shape.output_width + column) * shape.channels;
  };
  if (gradient.offset == nullptr) {
    spread(plane, begin, end, shape.output_height, shape.output_width, [&](int row, int column) {
      return load(ahead(gradient.direct + at(row, column), row_size), slice.mask);
    });
    return;
  }
  const __m512 offset = load(gradient.offset + slice.channel, slice.mask);
  const __m512 slope = load(gradient.slope + slice.channel, slice.mask);
  spread(plane, begin, end, shape.output_height, shape.output_width, [&](int row, int column) {
    const std::ptrdiff_t place = at(row, column);
    const __m512 output = load(ahead(gradient.output + place, row_size), slice.mask);
    const __m512 direct = load(ahead(gradient.direct + place, row_size), slice.mask);
    return _mm512_add_ps(direct, _mm512_fmadd_ps(slope, output, offset));
  });
}

// Input rows that output rows [begin, end) look at.
int first_input_row(const DepthwiseShape& shape, int begin) {
  return begin * shape.stride - shape.padding;
}
int input_rows(const DepthwiseShape& shape, int rows) {
  return (rows - 1) * shape.stride + shape.kernel;
}
int input_columns(const DepthwiseShape& shape) {
  return (shape.output_width - 1) * shape.stride + shape.kernel;
}

// Output rows of a strip: as many as leave its planes in the cache.
int strip_rows(const DepthwiseShape& shape) {
  const int fitting = STRIP_FLOATS / (input_columns(shape) * LANES) - shape.kernel;
  return min(max(fitting / shape.stride + 1, min(4, shape.output_height)), shape.output_height);
}

// Numbers of the backward pass of a strip of output rows.
struct BackwardStrip {
  int begin, end;                    // Output rows, whose share of dL/dweight it takes.
  int input_begin, input_end;        // Input rows, whose gradient it writes.
  int gradient_begin, gradient_end;  // Output rows that these two need.

  BackwardStrip(const DepthwiseShape& shape, int first, int rows)
      : begin(first),
        end(min(first + rows, shape.output_height)),
        input_begin(min(first * shape.stride, shape.height)),
        input_end(end == shape.output_height ? shape.height
                                             : min(end * shape.stride, shape.height)),
        gradient_begin(
            min(begin, ceil_div(input_begin + shape.padding - shape.kernel + 1, shape.stride))),
        gradient_end(max(end, floor_div(input_end - 1 + shape.padding, shape.stride) + 1)) {}
};

// The taps that reach input pixels of one residue of (row + padding, column + padding) modulo the
// stride.
void taps_of_residue(const DepthwiseShape& shape, const float* weight, std::ptrdiff_t weight_step,
                     int row, int column, int plane_width, Taps& taps) {
  taps.count = 0;
  for (int i = row; i < shape.kernel; i += shape.stride)
    for (int j = column; j < shape.kernel; j += shape.stride) {
      const int up = (i - row) / shape.stride, left = (j - column) / shape.stride;
      taps.add(-(std::ptrdiff_t(up) * plane_width + left) * LANES,
               weight + (i * shape.kernel + j) * weight_step);
    }
}

// Writes dL/draw of a strip. `plane` has dL/dy.
template <class T>
void input_gradient_of_strip(const Input<T>& input, const DepthwiseShape& shape, const Slice& slice,
                             const BackwardStrip& strip, const Plane& plane, const float* weight,
                             T* input_gradient, Sums sums) {
  const int stride = shape.stride, step = stride * shape.channels, padding = shape.padding;
  const bool normalised = input.normalisation.scale != nullptr;
  NormalisationGradient parts{_mm512_setzero_ps(), _mm512_setzero_ps()};
  Taps taps;
  for (int row_residue = 0; row_residue < stride; ++row_residue)
    for (int column_residue = 0; column_residue < stride; ++column_residue) {
      taps_of_residue(shape, weight, padded_channels(shape.channels), row_residue, column_residue,
                      plane.width, taps);
      const int first = ((column_residue - padding) % stride + stride) % stride;
      const int count = first < shape.width ? (shape.width - first + stride - 1) / stride : 0;
      for (int y = strip.input_begin; y < strip.input_end; ++y) {
        if ((y + padding) % stride != row_residue) continue;
        const float* from = plane.at((y + padding - row_residue) / stride,
                                     (first + padding - column_residue) / stride);
        const std::ptrdiff_t at =
            ((std::ptrdiff_t(slice.image) * shape.height + y) * shape.width + first) *
                shape.channels +
            slice.channel;
        if (normalised) {
          const NormalisationVector norm(input.normalisation, slice.channel, slice.mask);
          StoreNormalisedGradient<T> epilogue{
              input.raw + at, input_gradient + at, step, slice.mask, norm, parts};
          convolve_row(from, LANES, taps, count, epilogue);
          parts = epilogue.sums;
        } else {
          StoreGradient<T> epilogue{input_gradient + at, step, slice.mask};
          convolve_row(from, LANES, taps, count, epilogue);
        }
      }
    }
  if (normalised) {
    add_to(sums.first + slice.channel, parts.scale, shape.channels - slice.channel);
    add_to(sums.second + slice.channel, parts.shift, shape.channels - slice.channel);
  }
}

}  // namespace

std::ptrdiff_t depthwise_jobs(const DepthwiseShape& shape) {
  return std::ptrdiff_t(shape.images) * ((shape.channels + SLICE - 1) / SLICE);
}

int padded_channels(int channels) { return round_up(channels, LANES); }

void pack_depthwise_weight(const float* weight, const DepthwiseShape& shape, float* packed) {
  const int taps = shape.kernel * shape.kernel, stride = padded_channels(shape.channels);
  for (int t = 0; t < taps; ++t)
    for (int c = 0; c < stride; ++c)
      packed[t * stride + c] = c < shape.channels ? weight[c * taps + t] : 0;
}

template <class T>
void depthwise_forward(Input<T> input, const float* packed, const DepthwiseShape& shape, Range jobs,
                       T* output, Sums sums) {
  const int rows = strip_rows(shape), width = input_columns(shape),
            weight_step = padded_channels(shape.channels);
  const Scratch scratch(std::size_t(input_rows(shape, rows)) * width * LANES);
  Taps taps;
  for (std::ptrdiff_t job = jobs.begin; job < jobs.end; ++job)
    for (int begin = 0; begin < shape.output_height; begin += rows)
      for_slices(shape, job, [&](const Slice& slice) {
        const int end = min(begin + rows, shape.output_height),
                  first = first_input_row(shape, begin);
        const Plane plane{scratch.data(), first, -shape.padding, width};
        spread_input(input, shape, slice, plane, first, first + input_rows(shape, end - begin));
        taps.count = 0;
        for (int i = 0; i < shape.kernel; ++i)
          for (int j = 0; j < shape.kernel; ++j)
            taps.add((std::ptrdiff_t(i) * width + j) * LANES,
                     packed + (i * shape.kernel + j) * weight_step + slice.channel);
        StoreWithMoments<T> epilogue{nullptr, shape.channels, slice.mask, _mm512_setzero_ps(),
                                     _mm512_setzero_ps()};
        for (int y = begin; y < end; ++y) {
          const std::ptrdiff_t row =
              (std::ptrdiff_t(slice.image) * shape.output_height + y) * shape.output_width;
          epilogue.row = output + row * shape.channels + slice.channel;
          const float* from = plane.at(y * shape.stride - shape.padding, -shape.padding);
          convolve_row(from, shape.stride * LANES, taps, shape.output_width, epilogue);
        }
        add_to(sums.first + slice.channel, epilogue.sum, shape.channels - slice.channel);
        add_to(sums.second + slice.channel, epilogue.squares, shape.channels - slice.channel);
      });
}

template <class T>
void depthwise_backward(Input<T> input, OutputGradient<T> gradient, const float* packed,
                        const DepthwiseShape& shape, Range jobs, T* input_gradient, Sums sums,
                        float* weight_gradient) {
  const int rows = strip_rows(shape), width = input_columns(shape),
            weight_step = padded_channels(shape.channels);
  const int first_column = ceil_div(shape.padding - shape.kernel + 1, shape.stride);
  const int gradient_width =
      floor_div(shape.width - 1 + shape.padding, shape.stride) + 1 - first_column;
  const Scratch inputs(std::size_t(input_rows(shape, rows)) * width * LANES);
  const Scratch gradients(std::size_t(rows + shape.kernel + 1) * gradient_width * LANES);
  for (std::ptrdiff_t job = jobs.begin; job < jobs.end; ++job)
    for (int begin = 0; begin < shape.output_height; begin += rows)
      for_slices(shape, job, [&](const Slice& slice) {
        const BackwardStrip strip(shape, begin, rows);
        const Plane gradient_plane{gradients.data(), strip.gradient_begin, first_column,
                                   gradient_width};
        spread_gradient(gradient, shape, slice, gradient_plane, strip.gradient_begin,
                        strip.gradient_end);
        if (weight_gradient != nullptr) {
          const int first = first_input_row(shape, begin);
          const Plane plane{inputs.data(), first, -shape.padding, width};
          spread_input(input, shape, slice, plane, first,
                       first + input_rows(shape, strip.end - begin));
          for (int y = begin; y < strip.end; ++y)
            correlate_row(shape, plane.at(y * shape.stride - shape.padding, -shape.padding),
                          std::ptrdiff_t(width) * LANES, gradient_plane.at(y, 0),
                          weight_gradient + slice.channel, weight_step);
        }
        if (input_gradient != nullptr)
          input_gradient_of_strip(input, shape, slice, strip, gradient_plane,
                                  packed + slice.channel, input_gradient, sums);
      });
}

#define INSTANTIATE(T)                                                                         \
  template void depthwise_forward<T>(Input<T>, const float*, const DepthwiseShape&, Range, T*, \
                                     Sums);                                                    \
  template void depthwise_backward<T>(Input<T>, OutputGradient<T>, const float*,               \
                                      const DepthwiseShape&, Range, T*, Sums, float*);
INSTANTIATE(float)
INSTANTIATE(Bf16)

}  // namespace torch_shim::kernels
