// For processors of other families: there are no fast kernels, and nobody calls them.
#include <cstdlib>

#include "kernels.h"

namespace torch_shim::kernels {

bool available() { return false; }

std::ptrdiff_t depthwise_jobs(const DepthwiseShape&) { std::abort(); }
int padded_channels(int) { std::abort(); }
void pack_depthwise_weight(const float*, const DepthwiseShape&, float*) { std::abort(); }

template <class T>
std::size_t packed_weight_size(int, int) {
  std::abort();
}
template <class T>
void pack_weight_forward(const float*, PointwiseShape, float*) {
  std::abort();
}
template <class T>
void pack_weight_backward(const float*, PointwiseShape, float*) {
  std::abort();
}
template <class T>
void pointwise_forward(Input<T>, const float*, PointwiseShape, Range, T*, Sums) {
  std::abort();
}
template <class T>
void pointwise_backward(Input<T>, OutputGradient<T>, const float*, PointwiseShape, Range, T*, Sums,
                        float*) {
  std::abort();
}
template <class T>
void depthwise_forward(Input<T>, const float*, const DepthwiseShape&, Range, T*, Sums) {
  std::abort();
}
template <class T>
void depthwise_backward(Input<T>, OutputGradient<T>, const float*, const DepthwiseShape&, Range, T*,
                        Sums, float*) {
  std::abort();
}
template <class T>
void normalise_forward(Input<T>, const T*, int, Range, T*) {
  std::abort();
}
template <class T>
void normalise_backward(Input<T>, const T*, int, Range, T*, Sums) {
  std::abort();
}
template <class T>
double inner_product(const T*, const T*, Range) {
  std::abort();
}
template <class T>
void gather_patches(const float*, const PatchShape&, Range, T*) {
  std::abort();
}

#define INSTANTIATE(T)                                                                           \
  template std::size_t packed_weight_size<T>(int, int);                                          \
  template void pack_weight_forward<T>(const float*, PointwiseShape, float*);                    \
  template void pack_weight_backward<T>(const float*, PointwiseShape, float*);                   \
  template void pointwise_forward<T>(Input<T>, const float*, PointwiseShape, Range, T*, Sums);   \
  template void pointwise_backward<T>(Input<T>, OutputGradient<T>, const float*, PointwiseShape, \
                                      Range, T*, Sums, float*);                                  \
  template void depthwise_forward<T>(Input<T>, const float*, const DepthwiseShape&, Range, T*,   \
                                     Sums);                                                      \
  template void depthwise_backward<T>(Input<T>, OutputGradient<T>, const float*,                 \
                                      const DepthwiseShape&, Range, T*, Sums, float*);           \
  template void normalise_forward<T>(Input<T>, const T*, int, Range, T*);                        \
  template void normalise_backward<T>(Input<T>, const T*, int, Range, T*, Sums);                 \
  template double inner_product<T>(const T*, const T*, Range);                                   \
  template void gather_patches<T>(const float*, const PatchShape&, Range, T*);
INSTANTIATE(float)
INSTANTIATE(Bf16)

}  // namespace torch_shim::kernels
