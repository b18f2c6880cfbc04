// A function of tensors that was traced, with everything else in it made a constant, and optimised.

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/frontend/tracer.h>
#include <torch/csrc/jit/passes/normalize_ops.h>

#include <memory>
#include <vector>

#include "guarded.h"

namespace jit = torch::jit;
namespace tracer = torch::jit::tracer;

extern "C" char* shim_trace_begin(const at::Tensor* const* inputs, size_t count,
                                  jit::Module** output) {
  return guarded([&] {
    TORCH_CHECK(!tracer::isTracing(), "a trace within a trace");
    auto module = std::make_unique<jit::Module>("frozen");
    auto state = std::make_shared<tracer::TracingState>();
    // What overwrites its input in the traced function is recorded as giving a new tensor.
    state->force_outplace = true;
    state->graph->insertInput(0, "self")->setType(module->_ivalue()->type());
    for (size_t index = 0; index < count; ++index) {
      auto* value = state->graph->addInput();
      value->setType(c10::TensorType::get());
      state->setValue(*inputs[index], value);
    }
    tracer::setTracingState(state);
    *output = module.release();
  });
}

extern "C" void shim_trace_abandon() { tracer::setTracingState(nullptr); }

extern "C" char* shim_trace_end(jit::Module* self, const at::Tensor* result) {
  char* failure = guarded([&] {
    auto state = tracer::getTracingState();
    TORCH_CHECK(state, "there is no trace to end");
    auto graph = state->graph;
    graph->registerOutput(state->getOutput(*result, 0));
    tracer::setTracingState(nullptr);
    jit::NormalizeOps(graph);
    auto type = self->type();
    auto* function = self->_ivalue()->compilation_unit()->create_function(
        c10::QualifiedName(*type->name(), "forward"), graph);
    type->addMethod(function);
    auto frozen = jit::freeze(*self);
    *self = jit::optimize_for_inference(frozen);
  });
  tracer::setTracingState(nullptr);
  return failure;
}

extern "C" char* shim_frozen_run(jit::Module* self, const at::Tensor* const* inputs, size_t count,
                                 at::Tensor** output) {
  return guarded([&] {
    std::vector<c10::IValue> values;
    for (size_t index = 0; index < count; ++index) values.emplace_back(*inputs[index]);
    *output = new at::Tensor(self->forward(std::move(values)).toTensor());
  });
}

extern "C" void shim_frozen_free(jit::Module* self) { delete self; }
