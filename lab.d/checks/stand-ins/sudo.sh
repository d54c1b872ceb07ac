# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# In place of sudo, for lab.needs. Root is not needed for that.
# $dir has the PATH that is pretended, $caller is that PATH.

[ "$1" != -n ] || shift
PATH=$caller
exec "$@"
