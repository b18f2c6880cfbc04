// A guarded call is one whose exceptions stay on this side: what it throws becomes a message that the
// caller owns and frees with `shim_free_text`; a null pointer is success.
#pragma once

#include <c10/util/Exception.h>

#include <cstring>
#include <exception>

template <typename Action>
char* guarded(Action action) noexcept {
  try {
    action();
    return nullptr;
  } catch (const c10::Error& error) {
    return strdup(error.what_without_backtrace());
  } catch (const std::exception& error) {
    return strdup(error.what());
  } catch (...) {
    return strdup("an exception of unknown type");
  }
}
