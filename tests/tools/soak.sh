#!/usr/bin/env bash
# A long time of load, sick upstreams and changing rules: soak.sh [--minutes 30] [--seed 1] [--json FILE]
# MESH_SIDECAR=path soaks another sidecar, for example the native one.
set -euo pipefail
root=$(realpath "$(dirname "$0")/../..")
program=$root/artifacts/bin/Mesh.Soak/release/Mesh.Soak
[ -x "$program" ] || dotnet build -c Release "$root/bench/Mesh.Soak" -v q >&2
exec "$program" "$@"
