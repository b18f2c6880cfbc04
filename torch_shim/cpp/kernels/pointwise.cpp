// Pointwise convolutions: products of pixels with a small weight. What surrounds the product (the
// normalisation of the input, the moments of the output, the gradients of both) is done while the
// pixels are in the cache, so that each map is read once and written once.
#include "product.h"

namespace torch_shim::kernels {
namespace {

// Numbers from one row of scratch to the next: whole vectors of units, so that tails are zeros.
template <class T>
int row_stride(int channels) {
    return round_up(channels, LANES * PER_UNIT<T>);
}

TORCH_SHIM_INLINE __m512i lane_numbers() { return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }

template <class T>
TORCH_SHIM_INLINE __m512 to_units(__m512 first, __m512 second) {
    if constexpr (PER_UNIT<T> == 1) {
        return first;
    } else {
        const __m512i low = _mm512_cvtepu16_epi32(to_bf16(first));
        const __m512i high = _mm512_slli_epi32(_mm512_cvtepu16_epi32(to_bf16(second)), 16);
        return _mm512_castsi512_ps(_mm512_or_si512(low, high));
    }
}

// Number (k, c) of the matrix is at `weight[k * depth_step + c * column_step]`.
template <class T>
void pack(const float* weight, int depth, int columns, int depth_step, int column_step, float* packed) {
    const Panels panels(columns);
    const __m512i offsets = _mm512_mullo_epi32(lane_numbers(), _mm512_set1_epi32(column_step));
    const auto row = [&](int k, int column) {
        const __mmask16 mask = k < depth ? first_lanes(columns - column) : __mmask16(0);
        const float* from = weight + std::ptrdiff_t(k) * depth_step + std::ptrdiff_t(column) * column_step;
        return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), mask, offsets, from, sizeof(float));
    };
    for (int p = 0; p < panels.count; ++p)
        for (int unit = 0; unit < units<T>(depth); ++unit)
            for (int v = panels.begin(p); v < panels.begin(p + 1); ++v, packed += LANES) {
                const int k = unit * PER_UNIT<T>, column = v * LANES;
                _mm512_store_ps(packed, to_units<T>(row(k, column), row(k + PER_UNIT<T> - 1, column)));
            }
}

// Normalised pixels, tails of rows filled with zeros.
template <class T>
void read_rows(const Input<T>& input, int channels, std::ptrdiff_t begin, int rows, T* to) {
    const int stride = row_stride<T>(channels);
    for (int c = 0; c < stride; c += LANES) {
        const __mmask16 mask = first_lanes(c < channels ? channels - c : 0);
        const T* from = input.raw + begin * channels + c;
        if (input.normalisation.scale == nullptr || mask == 0) {
            for (int r = 0; r < rows; ++r) store(to + r * stride + c, load(from + std::ptrdiff_t(r) * channels, mask), 0xffff);
        } else {
            const NormalisationVector norm(input.normalisation, c, mask);
            for (int r = 0; r < rows; ++r) {
                const __m512 x = norm.apply(load(from + std::ptrdiff_t(r) * channels, mask));
                store(to + r * stride + c, _mm512_maskz_mov_ps(mask, x), 0xffff);
            }
        }
    }
}

// dL/dy of some pixels, tails of rows filled with zeros.
template <class T>
void read_gradient(const OutputGradient<T>& gradient, int channels, std::ptrdiff_t begin, int rows, T* to) {
    const int stride = row_stride<T>(channels);
    for (int c = 0; c < stride; c += LANES) {
        const __mmask16 mask = first_lanes(c < channels ? channels - c : 0);
        const std::ptrdiff_t start = begin * channels + c;
        if (gradient.offset == nullptr || mask == 0) {
            for (int r = 0; r < rows; ++r)
                store(to + r * stride + c, load(gradient.direct + start + std::ptrdiff_t(r) * channels, mask), 0xffff);
            continue;
        }
        const __m512 offset = load(gradient.offset + c, mask), slope = load(gradient.slope + c, mask);
        for (int r = 0; r < rows; ++r) {
            const std::ptrdiff_t at = start + std::ptrdiff_t(r) * channels;
            const __m512 moments = _mm512_fmadd_ps(slope, load(gradient.output + at, mask), offset);
            store(to + r * stride + c, _mm512_add_ps(load(gradient.direct + at, mask), moments), 0xffff);
        }
    }
}

// Rows of numbers -> rows of units that run across the rows: row m has the numbers of rows m * PER_UNIT ...
template <class T>
void units_across(const T* rows_in, int rows, int channels, float* to) {
    const int from_stride = row_stride<T>(channels), to_stride = round_up(channels, LANES);
    for (int r = 0; r < rows; r += PER_UNIT<T>)
        for (int c = 0; c < to_stride; c += LANES) {
            const T* from = rows_in + r * from_stride + c;
            float* target = to + r / PER_UNIT<T> * to_stride + c;
            if constexpr (PER_UNIT<T> == 1) {
                _mm512_store_ps(target, load(from, 0xffff));
            } else {
                const __m512i first = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)from));
                const __mmask16 more = r + 1 < rows ? 0xffff : 0;
                const __m512i second = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(more, from + from_stride));
                _mm512_store_si512(target, _mm512_or_si512(first, _mm512_slli_epi32(second, 16)));
            }
        }
}

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
                for (int r = 0; r < R; ++r) store(output + start + std::ptrdiff_t(r) * columns, tile[r][v], mask);
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
        product_with_rows<T>(left, outputs_along_ ? gradients : inputs, units<T>(pixels), rows_, columns_, accumulate);
    }

    void add_to(float* weight_gradient) const {
        const std::ptrdiff_t stride = round_up(columns_, LANES);
        const std::ptrdiff_t output_step = outputs_along_ ? 1 : stride, input_step = outputs_along_ ? stride : 1;
        const __m512i offsets = _mm512_mullo_epi32(lane_numbers(), _mm512_set1_epi32(int(input_step)));
        for (int o = 0; o < shape_.outputs; ++o)
            for (int i = 0; i < shape_.inputs; i += LANES) {
                const __mmask16 mask = first_lanes(shape_.inputs - i);
                const float* from = sums_.data() + o * output_step + i * input_step;
                const __m512 sum = outputs_along_ ? _mm512_mask_i32gather_ps(_mm512_setzero_ps(), mask, offsets, from, sizeof(float))
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
void pointwise_forward(Input<T> input, const float* packed, PointwiseShape shape, Range pixels, T* output,
                       Sums sums) {
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
void pointwise_backward(Input<T> input, OutputGradient<T> gradient, const float* packed, PointwiseShape shape,
                        Range pixels, T* input_gradient, Sums sums, float* weight_gradient) {
    const int block = backward_rows<T>(shape), width = round_up(shape.inputs, LANES);
    const int in_stride = row_stride<T>(shape.inputs), out_stride = row_stride<T>(shape.outputs);
    const Scratch gradients(std::size_t(block) * out_stride / PER_UNIT<T>), inputs(std::size_t(block) * in_stride / PER_UNIT<T>);
    const Scratch gradient_units(std::size_t(block) * out_stride), input_units(std::size_t(block) * in_stride);
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
            StoreInputGradient<T> epilogue{{input.raw + start, input.normalisation}, input_gradient + start,
                                           shape.inputs, parts.data(), parts.data() + width};
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

#define INSTANTIATE(T)                                                                                          \
    template std::size_t packed_weight_size<T>(int, int);                                                       \
    template void pack_weight_forward<T>(const float*, PointwiseShape, float*);                                 \
    template void pack_weight_backward<T>(const float*, PointwiseShape, float*);                                \
    template void pointwise_forward<T>(Input<T>, const float*, PointwiseShape, Range, T*, Sums);                \
    template void pointwise_backward<T>(Input<T>, OutputGradient<T>, const float*, PointwiseShape, Range, T*, Sums, float*);
INSTANTIATE(float)
INSTANTIATE(Bf16)

}  // namespace torch_shim::kernels
