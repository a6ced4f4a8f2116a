#!/usr/bin/env bash
# One minute of the soak; the long one is soak.sh.
exec timeout 180 bash "$(dirname "$0")/soak.sh" --minutes 1 "$@"
