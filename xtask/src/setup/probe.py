"""Says what the setup must know of this machine: free bytes in a folder, and whether pip is there."""

import importlib.util
import shutil
import sys

print(shutil.disk_usage(sys.argv[1]).free)
print("pip" if importlib.util.find_spec("pip") else "no pip")
