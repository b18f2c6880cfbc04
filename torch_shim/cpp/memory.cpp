// The process's memory: what the allocator does with a block that was freed.

#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>

#include <limits>
#endif

extern "C" int shim_keep_freed_memory() {
#ifdef __GLIBC__
  // Without a limit large blocks are mapped one by one and unmapped when freed; beyond the trim threshold the
  // end of the heap is given back. Either way the next block of that size has a page fault every 4 KB.
  const bool none_is_mapped = mallopt(M_MMAP_MAX, 0) == 1;
  const bool none_is_trimmed = mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max()) == 1;
  return none_is_mapped && none_is_trimmed;
#else
  return 0;
#endif
}
