// Pointwise convolutions: products of pixels with a small weight. What surrounds the product (the
// normalisation of the input, the moments of the output, the gradients of both) is done while the
// pixels are in the cache, so that each map is read once and written once.
#include "rows.h"

namespace torch_shim::kernels {
namespace {

template <class T>
struct StoreWithMoments {
  T* output;
  int columns;
  float *first, *second;

  template <int R, int V>
  TORCH_SHIM_INLINE void apply(int row, int column, __m512 (&tile)[R][V]) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const int c = column + v * LANES;
      const __mmask16 mask = first_lanes(columns - c);
      __m512 sum = _mm512_loadu_ps(first + c), squares = _mm512_loadu_ps(second + c);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        store(output + std::ptrdiff_t(row + r) * columns + c, tile[r][v], mask);
        sum = _mm512_add_ps(sum, tile[r][v]);
        squares = _mm512_fmadd_ps(tile[r][v], tile[r][v], squares);
      }
      _mm512_storeu_ps(first + c, sum);
      _mm512_storeu_ps(second + c, squares);
    }
  }
};

template <class T>
struct StoreInputGradient {
  Input<T> input;
  T* output;
  int columns;
  float *first, *second;

  template <int R, int V>
  TORCH_SHIM_INLINE void apply(int row, int column, __m512 (&tile)[R][V]) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const int c = column + v * LANES;
      const __mmask16 mask = first_lanes(columns - c);
      const std::ptrdiff_t start = std::ptrdiff_t(row) * columns + c;
      if (input.normalisation.scale == nullptr) {
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
          store(output + start + std::ptrdiff_t(r) * columns, tile[r][v], mask);
        continue;
      }
      const NormalisationVector norm(input.normalisation, c, mask);
      NormalisationGradient sums{_mm512_load_ps(first + c), _mm512_load_ps(second + c)};
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const std::ptrdiff_t at = start + std::ptrdiff_t(r) * columns;
        store(output + at, sums.pass(norm, load(input.raw + at, mask), tile[r][v]), mask);
      }
      _mm512_store_ps(first + c, sums.scale);
      _mm512_store_ps(second + c, sums.shift);
    }
  }
};

struct Accumulate {
  float* sums;
  int stride;

  template <int R, int V>
  TORCH_SHIM_INLINE void apply(int row, int column, __m512 (&tile)[R][V]) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        float* at = sums + std::ptrdiff_t(row + r) * stride + column + v * LANES;
        _mm512_storeu_ps(at, _mm512_add_ps(_mm512_loadu_ps(at), tile[r][v]));
      }
  }
};

// dL/dweight, summed with the side along the vectors that wastes fewer lanes.
class WeightGradient {
 public:
  explicit WeightGradient(PointwiseShape shape)
      : shape_(shape),
        outputs_along_(std::ptrdiff_t(shape.inputs) * round_up(shape.outputs, LANES) <
                       std::ptrdiff_t(shape.outputs) * round_up(shape.inputs, LANES)),
        rows_(outputs_along_ ? shape.inputs : shape.outputs),
        columns_(outputs_along_ ? shape.outputs : shape.inputs),
        sums_(size()) {
    sums_.clear(size());
  }

  // Adds what some pixels say: their inputs and output gradients as units across pixels.
  template <class T>
  void add(const float* inputs, const float* gradients, int pixels) {
    const Left left{outputs_along_ ? inputs : gradients, 1, round_up(rows_, LANES)};
    Accumulate accumulate{sums_.data(), round_up(columns_, LANES)};
    product_with_rows<T>(left, outputs_along_ ? gradients : inputs, units<T>(pixels), rows_,
                         columns_, accumulate);
  }

  void add_to(float* weight_gradient) const {
    const std::ptrdiff_t stride = round_up(columns_, LANES);
    const std::ptrdiff_t output_step = outputs_along_ ? 1 : stride,
                         input_step = outputs_along_ ? stride : 1;
    const __m512i offsets = _mm512_mullo_epi32(lane_numbers(), _mm512_set1_epi32(int(input_step)));
    for (int o = 0; o < shape_.outputs; ++o)
      for (int i = 0; i < shape_.inputs; i += LANES) {
        const __mmask16 mask = first_lanes(shape_.inputs - i);
        const float* from = sums_.data() + o * output_step + i * input_step;
        const __m512 sum = outputs_along_ ? _mm512_mask_i32gather_ps(_mm512_setzero_ps(), mask,
                                                                     offsets, from, sizeof(float))
                                          : load(from, mask);
        float* to = weight_gradient + std::ptrdiff_t(o) * shape_.inputs + i;
        store(to, _mm512_add_ps(load(to, mask), sum), mask);
      }
  }

 private:
  std::size_t size() const { return std::size_t(rows_) * round_up(columns_, LANES); }

  PointwiseShape shape_;
  bool outputs_along_;
  int rows_, columns_;
  Scratch sums_;
};

constexpr int FORWARD_ROWS = 48;

// Pixels of a block of the backward pass: as many as leave the block's rows in half a megabyte.
template <class T>
int backward_rows(PointwiseShape shape) {
  const int fitting = int(131072 / sizeof(T)) / (shape.inputs + shape.outputs);
  return fitting < 24 ? 24 : fitting > 192 ? 192 : fitting / 24 * 24;
}

}  // namespace

template <class T>
std::size_t packed_weight_size(int depth, int columns) {
  return std::size_t(units<T>(depth)) * round_up(columns, LANES);
}

template <class T>
void pack_weight_forward(const float* weight, PointwiseShape shape, float* packed) {
  pack<T>(weight, shape.inputs, shape.outputs, 1, shape.inputs, packed);
}

template <class T>
void pack_weight_backward(const float* weight, PointwiseShape shape, float* packed) {
  pack<T>(weight, shape.outputs, shape.inputs, shape.inputs, 1, packed);
}

template <class T>
void pointwise_forward(Input<T> input, const float* packed, PointwiseShape shape, Range pixels,
                       T* output, Sums sums) {
  const int depth = units<T>(shape.inputs), width = round_up(shape.outputs, LANES);
  const bool in_place = input.normalisation.scale == nullptr && shape.inputs % PER_UNIT<T> == 0;
  const int stride = row_stride<T>(shape.inputs);
  const Scratch rows(std::size_t(FORWARD_ROWS) * stride / PER_UNIT<T>), moments(2 * width);
  moments.clear(2 * width);
  for (std::ptrdiff_t begin = pixels.begin; begin < pixels.end; begin += FORWARD_ROWS) {
    const int count = pixels.end - begin < FORWARD_ROWS ? int(pixels.end - begin) : FORWARD_ROWS;
    Left left{reinterpret_cast<const float*>(input.raw + begin * shape.inputs), depth, 1};
    if (!in_place) {
      read_rows(input, shape.inputs, begin, count, reinterpret_cast<T*>(rows.data()));
      left = {rows.data(), stride / PER_UNIT<T>, 1};
    }
    StoreWithMoments<T> epilogue{output + begin * shape.outputs, shape.outputs, moments.data(),
                                 moments.data() + width};
    product_with_packed<T>(left, packed, depth, count, shape.outputs, epilogue);
    flush(moments.data(), sums.first, shape.outputs);
    flush(moments.data() + width, sums.second, shape.outputs);
  }
}

template <class T>
void pointwise_backward(Input<T> input, OutputGradient<T> gradient, const float* packed,
                        PointwiseShape shape, Range pixels, T* input_gradient, Sums sums,
                        float* weight_gradient) {
  const int block = backward_rows<T>(shape), width = round_up(shape.inputs, LANES);
  const int in_stride = row_stride<T>(shape.inputs), out_stride = row_stride<T>(shape.outputs);
  const Scratch gradients(std::size_t(block) * out_stride / PER_UNIT<T>),
      inputs(std::size_t(block) * in_stride / PER_UNIT<T>);
  const Scratch gradient_units(std::size_t(block) * out_stride),
      input_units(std::size_t(block) * in_stride);
  const Scratch parts(2 * width);
  parts.clear(2 * width);
  WeightGradient weight(weight_gradient != nullptr ? shape : PointwiseShape{0, 0});
  T* const gradient_rows = reinterpret_cast<T*>(gradients.data());
  T* const input_rows = reinterpret_cast<T*>(inputs.data());
  for (std::ptrdiff_t begin = pixels.begin; begin < pixels.end; begin += block) {
    const int count = pixels.end - begin < block ? int(pixels.end - begin) : block;
    read_gradient(gradient, shape.outputs, begin, count, gradient_rows);
    if (weight_gradient != nullptr) {
      read_rows(input, shape.inputs, begin, count, input_rows);
      units_across(input_rows, count, shape.inputs, input_units.data());
      units_across(gradient_rows, count, shape.outputs, gradient_units.data());
      weight.add<T>(input_units.data(), gradient_units.data(), count);
    }
    if (input_gradient != nullptr) {
      const std::ptrdiff_t start = begin * shape.inputs;
      StoreInputGradient<T> epilogue{{input.raw + start, input.normalisation},
                                     input_gradient + start,
                                     shape.inputs,
                                     parts.data(),
                                     parts.data() + width};
      const Left left{gradients.data(), out_stride / PER_UNIT<T>, 1};
      product_with_packed<T>(left, packed, units<T>(shape.outputs), count, shape.inputs, epilogue);
      if (input.normalisation.scale != nullptr) {
        flush(parts.data(), sums.first, shape.inputs);
        flush(parts.data() + width, sums.second, shape.inputs);
      }
    }
  }
  if (weight_gradient != nullptr) weight.add_to(weight_gradient);
}

#define INSTANTIATE(T)                                                                           \
  template std::size_t packed_weight_size<T>(int, int);                                          \
  template void pack_weight_forward<T>(const float*, PointwiseShape, float*);                    \
  template void pack_weight_backward<T>(const float*, PointwiseShape, float*);                   \
  template void pointwise_forward<T>(Input<T>, const float*, PointwiseShape, Range, T*, Sums);   \
  template void pointwise_backward<T>(Input<T>, OutputGradient<T>, const float*, PointwiseShape, \
                                      Range, T*, Sums, float*);
INSTANTIATE(float)
INSTANTIATE(Bf16)

}  // namespace torch_shim::kernels
