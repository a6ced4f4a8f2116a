#!/usr/bin/env bash
# The fuzz targets for 60 seconds in all, with a seed of the day's: what fails is printed in base64 together with its seed.
#   MESH_FUZZ_SECONDS seconds for each of the eight targets; MESH_FUZZ_SEED the seed.
. "$(dirname "$0")/lib.sh"
export MESH_FUZZ_SECONDS=${MESH_FUZZ_SECONDS:-8} MESH_FUZZ_SEED=${MESH_FUZZ_SEED:-$(date -u +%Y%m%d)}

fuzz() {
  dotnet test tests/Mesh.Proxy.Tests -c Release --no-build --filter 'FullyQualifiedName~FuzzTests' --logger 'console;verbosity=detailed'
}
check "corpus and mutations hold, seed $MESH_FUZZ_SEED" fuzz
grep -aE '^ *fuzz [a-z-]+: ' "$work/last" | sort -u > "$work/ran"
cat "$work/ran"
check "all eight targets ran" [ "$(wc -l < "$work/ran")" -eq 8 ]
done_checking
