"""Unpacks from the wheels in a folder the members that begin with one of the given texts, with their modes."""

import pathlib
import sys
import zipfile

wheels, target, *beginnings = sys.argv[1:]
for wheel in sorted(pathlib.Path(wheels).glob("*.whl")):
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if member.filename.startswith(tuple(beginnings)) and not member.is_dir():
                # Reading to the end compares the checksum.
                path = archive.extract(member, target)
                pathlib.Path(path).chmod((member.external_attr >> 16) & 0o777 or 0o644)
