# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# In place of gcc, for lab.needs. Makes programs that print a number.
# $dir has the PATH that is pretended, $caller is that PATH.

while [ $# -gt 0 ]; do
	[ "$1" != -o ] || { printf '#!/bin/sh\necho 1000000\n' >"$2" && chmod +x "$2"; }
	shift
done
echo gcc 0
